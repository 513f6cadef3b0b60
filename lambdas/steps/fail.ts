import { classify } from '../../core/failure.ts'
import type { RunFailure } from '../../core/run.ts'
import { runs } from '../clients.ts'
import { type Failed, failedStep } from './failed-step.ts'
import { step } from './step.ts'

/** Ends the run with what went wrong. */
export const handler = step(async (failed: Failed): Promise<RunFailure> => {
  const { failure } = classify(await failedStep(failed))
  const status = failure.class === 'budget' ? 'budget-stopped' : 'failed'
  await runs.advance(failed.runId, status, new Date().toISOString(), { failure })
  return failure
})
