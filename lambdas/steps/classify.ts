import { costUsd } from '../../core/cost.ts'
import { budgetFailure, classify } from '../../core/failure.ts'
import type { StepName } from '../../core/plan.ts'
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
    if (spentUsd >= plan.reservedUsd) {
      const reached = budgetFailure(failed.step, spentUsd, plan.reservedUsd)
      return { action: 'stop', progress: failed.progress, because: reached.message, failure: reached }
    }
    // Prepare has a queue of its own, and no other to go to.
    const options = failed.step === 'prepare' ? [] : plan.capacity
    const decision = decide(failure, recovery, failed.progress, options)
    logger.info('job failed', { failure, ...decision })
    if (decision.action === 'retry') {
      await runs.retry(stored.run, failed.step, decision, now.toISOString())
    }
    return { ...decision, failure }
  },
)
