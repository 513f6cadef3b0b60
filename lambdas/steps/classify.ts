import { classify } from '../../core/failure.ts'
import { planSchema, type StepName } from '../../core/plan.ts'
import { type Decision, decide, type Progress } from '../../core/recovery.ts'
import { runs } from '../clients.ts'
import { logger } from '../logger.ts'
import { readJson } from '../s3-json.ts'
import { type Failed, failedStep } from './failed-step.ts'
import { step } from './step.ts'

interface FailedJobStep extends Failed {
  readonly step: StepName
  readonly planUri: string
  readonly progress: Progress
}

/** Decides what follows a failed job, and says so in the run's timeline where it is another job. */
export const handler = step(async (failed: FailedJobStep): Promise<Decision> => {
  const plan = await readJson(failed.planUri, planSchema)
  if (!plan) throw new Error(`the plan ${failed.planUri} is gone`)
  const { failure, recovery } = classify(await failedStep(failed))
  // Prepare has a queue of its own, and no other to go to.
  const options = failed.step === 'prepare' ? [] : plan.capacity
  const decision = decide(failure, recovery, failed.progress, options)
  logger.info('job failed', { failure, ...decision })
  if (decision.action === 'retry')
    await runs.retry(failed.runId, failed.step, decision, new Date().toISOString())
  return decision
})
