import { RoslinError } from './errors.ts'
import { type FlowStep, STEPS } from './run.ts'
import type { Attempt, Run } from './store/run-store.ts'

/**
 * The step that an ended run goes on with: the first that is not done, or an earlier one that is asked for.
 * @throws RoslinError STEP_NOT_REACHED
 */
export function stepToBeginWith(
  runId: string,
  attempts: readonly Pick<Attempt, 'step' | 'jobStatus'>[],
  wanted: FlowStep | undefined,
): FlowStep {
  const done = (step: FlowStep) =>
    attempts.some((attempt) => attempt.step === step && attempt.jobStatus === 'SUCCEEDED')
  const next = STEPS.find((step) => !done(step)) ?? 'register'
  if (!wanted) return next
  if (STEPS.indexOf(wanted) <= STEPS.indexOf(next)) return wanted
  throw new RoslinError(
    'STEP_NOT_REACHED',
    `Run ${runId} cannot go on with ${wanted}: its ${next} is not done.`,
    `Begin with ${next} or an earlier step.`,
  )
}

/**
 * What a run that goes on may still spend of its limit, `leastUsd` at least. US dollars.
 * @throws RoslinError LIMIT_TOO_LOW
 */
export function remainingUsd(
  { runId, spentUsd = 0 }: Pick<Run, 'runId' | 'spentUsd'>,
  limitUsd: number,
  leastUsd = 0,
): number {
  const leftUsd = limitUsd - spentUsd
  if (leftUsd > 0 && leftUsd >= leastUsd) return leftUsd
  const needed = leastUsd > 0 ? `; an evaluation needs $${leastUsd.toFixed(2)} of it` : ''
  throw new RoslinError(
    'LIMIT_TOO_LOW',
    `Run ${runId} has cost $${spentUsd.toFixed(2)} of the $${limitUsd.toFixed(2)} it may cost${needed}.`,
    'Give a higher limits.maxUsd (roslin runs resume --max-usd), or limits.maxHours.',
  )
}
