import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { RoslinError } from '../core/errors.ts'
import type { Estimate } from '../core/estimate-schema.ts'
import { usd } from './format.ts'

/** Below this, a run in a script needs no leave. */
const UNASKED_USD = 1

export interface StartCircumstances {
  /** Undefined where none could be made. */
  readonly estimate: Estimate | undefined
  /** What the run may cost at most: asked for on the command line, or in the recipe. */
  readonly maxUsd: number | undefined
  /** Leave that was given beforehand, by --yes. */
  readonly isAllowed: boolean
  /** A limit that was given for this very run, by --max-usd. */
  readonly isLimited: boolean
  /** Somebody is there to be asked. */
  readonly isInteractive: boolean
  /** Not on the embedded AWS. */
  readonly isPaid: boolean
}

/**
 * Whether a run may start at once, or somebody must be asked.
 * @throws RoslinError ESTIMATE_OVER_LIMIT where the limit cannot be kept, CONFIRMATION_NEEDED where nobody is there to ask.
 */
export function mayStart(given: StartCircumstances): 'start' | 'ask' {
  const { estimate, maxUsd, isAllowed, isLimited, isInteractive, isPaid } = given
  const least = estimate?.options[0]?.total.usd.low
  if (maxUsd !== undefined && least !== undefined && least > maxUsd) throw overLimit(estimate, least, maxUsd)
  if (isAllowed) return 'start'
  if (isInteractive) return 'ask'
  if (isLimited || !isPaid || mostUsd(estimate) < UNASKED_USD) return 'start'
  throw new RoslinError(
    'CONFIRMATION_NEEDED',
    estimate
      ? `The run may cost up to ${usd(mostUsd(estimate))}, and nobody is there to be asked.`
      : 'What the run costs is not known, and nobody is there to be asked.',
    'Give --yes to start it all the same, or --max-usd with what it may cost.',
  )
}

/** On the dearest option: a run goes to the next where one cannot be had. */
function mostUsd(estimate: Estimate | undefined): number {
  return estimate ? Math.max(...estimate.options.map(({ total }) => total.usd.high)) : Infinity
}

function overLimit(estimate: Estimate | undefined, least: number, maxUsd: number): RoslinError {
  const option = estimate?.options[0]
  return new RoslinError(
    'ESTIMATE_OVER_LIMIT',
    `The run costs at least ${usd(least)} on ${option?.instanceType} ${option?.purchase}; the limit is ${usd(maxUsd)}.`,
    'Raise the limit (--max-usd, or limits.maxUsd in the recipe), train fewer epochs, or put a cheaper option first.',
    [{ path: 'limits.maxUsd', message: `is ${maxUsd}: below the estimate's low end` }],
  )
}

/** Asks on `output`. Anything but a yes is a no: an empty line, the end of the input, Ctrl-C. */
export async function asked(
  question: string,
  input: NodeJS.ReadableStream = process.stdin,
  output: NodeJS.WritableStream = process.stderr,
): Promise<boolean> {
  const terminal = createInterface({ input, output })
  try {
    const answer = await Promise.race([
      // Ctrl-C aborts it.
      terminal.question(`${question} [y/N] `).catch(() => ''),
      // A question whose input ends is never answered.
      once(terminal, 'close').then(() => ''),
    ])
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    terminal.close()
  }
}
