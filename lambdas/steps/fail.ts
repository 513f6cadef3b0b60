import { classify } from '../../core/failure.ts'
import type { RunFailure } from '../../core/run.ts'
import { runs } from '../clients.ts'
import { settleIfDone } from '../settle.ts'
import { type Failed, failedStep } from './failed-step.ts'
import { step } from './step.ts'
import { unfinishedModel } from './unfinished-model.ts'

interface FailedRun extends Failed {
  readonly execution: number
  /** Why, where Classify has found it out already. */
  readonly failure: RunFailure | null
}

/** Ends the run with what went wrong. Stopped at its limit, it leaves the model as far as it came. */
export const handler = step(async (failed: FailedRun): Promise<RunFailure> => {
  const { runId, execution } = failed
  const failure = failed.failure ?? classify(await failedStep(failed)).failure
  const stopped = failure.class === 'budget'
  const model = stopped ? await unfinishedModel(runId) : undefined
  await runs.advance(runId, {
    status: stopped ? 'budget-stopped' : 'failed',
    at: new Date().toISOString(),
    moment: { execution },
    details: { failure, ...(model && { model }) },
  })
  await settleIfDone(runId)
  return failure
})
