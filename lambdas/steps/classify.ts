import { evaluationSeconds } from '../../core/budget.ts'
import { costUsd } from '../../core/cost.ts'
import { budgetFailure, classify } from '../../core/failure.ts'
import type { Plan, StepName } from '../../core/plan.ts'
import { type Decision, decide, type Progress } from '../../core/recovery.ts'
import type { RunFailure } from '../../core/run.ts'
import { runs } from '../clients.ts'
import { logger } from '../logger.ts'
import { readPlan } from '../s3-json.ts'
import { type Failed, failedStep } from './failed-step.ts'
import { step } from './step.ts'

interface FailedJobStep extends Failed {
  readonly step: StepName
  readonly planUri: string
  readonly progress: Progress
}

/** Decides what follows a failed job, and says so in the run's timeline where it is another job. */
export const handler = step(
  async (failed: FailedJobStep): Promise<Decision & { readonly failure: RunFailure }> => {
    const plan = await readPlan(failed.planUri)
    const stored = await runs.get(failed.runId)
    if (!plan || !stored) throw new Error(`the plan ${failed.planUri} is gone, or its run`)
    const { failure, recovery } = classify(await failedStep(failed))
    const now = new Date()
    const spentUsd = costUsd(stored.attempts, plan.capacity, now)
    // Prepare has a queue of its own, and no other to go to.
    const options = failed.step === 'prepare' ? [] : plan.capacity
    const decision = affordable(
      failed.step,
      decide(failure, recovery, failed.progress, options),
      plan,
      spentUsd,
    )
    if (!decision) {
      const reached = budgetFailure(failed.step, spentUsd, plan.reservedUsd)
      return { action: 'stop', progress: failed.progress, because: reached.message, failure: reached }
    }
    logger.info('job failed', { failure, ...decision })
    if (decision.action === 'retry') {
      await runs.retry(stored.run, failed.step, decision, now.toISOString())
    }
    return { ...decision, failure }
  },
)

/** The decision within the run's limit; undefined where that pays for no further job. Training keeps to it by itself. */
function affordable(
  step: StepName,
  decision: Decision,
  { capacity, reservedUsd }: Plan,
  spentUsd: number,
): Decision | undefined {
  const leftUsd = reservedUsd - spentUsd
  if (leftUsd <= 0) return undefined
  const option = capacity[decision.progress.option]
  if (step !== 'evaluate' || decision.action === 'stop' || !option) return decision
  const seconds = evaluationSeconds(leftUsd, option.priceUsdPerHour)
  if (seconds === undefined) return undefined
  return { ...decision, progress: { ...decision.progress, evaluationSeconds: seconds } }
}
