import type { Recovery } from './failure.ts'
import { instanceType, isInstanceType } from './instance-types.ts'
import type { RunFailure } from './run.ts'

/** How far a run has come with its capacity options; the flow keeps it between attempts. */
export interface Progress {
  /** Jobs that have failed and were followed by another. */
  readonly attempt: number
  /** Index into the plan's capacity. */
  readonly option: number
  /** Of the same option, by class of failure. */
  readonly tries: Readonly<Record<string, number>>
  /** What is left of the run's limit pays for so much of an evaluation; missing: for all that is planned. */
  readonly evaluationSeconds?: number
}

export const FIRST_ATTEMPT: Progress = { attempt: 0, option: 0, tries: {} }

export interface Decision {
  readonly action: 'retry' | 'stop'
  readonly progress: Progress
  /** A sentence for the run's timeline. */
  readonly because: string
}

interface Option {
  readonly instanceType: string
  readonly purchase: string
}

/**
 * What follows a failed job: the same option, another, or the end. A function of its input alone, so that a decision taken
 * twice is the same. `options` are those the step can go to: none but the first for a step that has no choice.
 */
export function decide(
  failure: RunFailure,
  recovery: Recovery,
  progress: Progress,
  options: readonly Option[],
): Decision {
  const stop = (why: string): Decision => ({ action: 'stop', progress, because: `${failure.message} ${why}` })
  const go = (option: number, tries: Progress['tries'], why: string): Decision => ({
    action: 'retry',
    progress: { attempt: progress.attempt + 1, option, tries },
    because: `${failure.message} ${why}`,
  })
  const goTo = (option: number, otherwise: string): Decision =>
    // Tries belong to an option: the next one has its own.
    option < 0 ? stop(otherwise) : go(option, {}, `Going on with ${nameOf(options[option])}.`)

  switch (recovery.next) {
    case 'stop':
      return stop('Another try would end the same way.')
    case 'same-option': {
      const tries = (progress.tries[failure.class] ?? 0) + 1
      if (tries <= recovery.tries) {
        const counted = { ...progress.tries, [failure.class]: tries }
        return go(progress.option, counted, `Trying ${nameOf(options[progress.option])} again.`)
      }
      const tried = `It was tried ${recovery.tries + 1} times.`
      return recovery.orElse === 'stop' ? stop(tried) : goTo(nextOption(progress, options), tried)
    }
    case 'next-option':
      return goTo(nextOption(progress, options), 'There is no further capacity option.')
    case 'larger-option':
      return goTo(largerOption(progress, options), 'No further capacity option has more memory.')
  }
}

function nextOption({ option }: Progress, options: readonly Option[]): number {
  return option + 1 < options.length ? option + 1 : -1
}

function largerOption({ option }: Progress, options: readonly Option[]): number {
  const least = memoryGiB(options[option])
  return options.findIndex((other, index) => index > option && memoryGiB(other) > least)
}

/** Of one GPU, where there is one: what does not fit there is not helped by more of them being free. */
function memoryGiB(option: Option | undefined): number {
  if (!option || !isInstanceType(option.instanceType)) return 0
  const type = instanceType(option.instanceType)
  return type.gpu?.memoryGiB ?? type.memoryGiB
}

function nameOf(option: Option | undefined): string {
  return option ? `${option.instanceType} ${option.purchase}` : 'the same machine'
}
