import { classifyFailure } from '../../core/failure.ts'
import type { RunFailure } from '../../core/run.ts'
import { stepErrorSchema } from '../../core/run-files.ts'
import { RUN_FILES, storageLayout } from '../../core/storage-layout.ts'
import { runs } from '../clients.ts'
import { variable } from '../environment.ts'
import { readJson } from '../s3-json.ts'
import { step } from './step.ts'

interface Failed {
  readonly runId: string
  readonly step: string
  readonly error: { readonly Error?: string; readonly Cause?: string }
}

/** Classifies what went wrong and ends the run with it. */
export const handler = step(async (failed: Failed): Promise<RunFailure> => {
  const { runId, error } = failed
  const lastError = await readJson(
    `${storageLayout(variable('BUCKET_NAME')).run(runId)}${RUN_FILES.error}`,
    stepErrorSchema,
  )
  const failure = classifyFailure({
    step: failed.step,
    error: error.Error ?? '',
    cause: error.Cause ?? '',
    lastError: lastError?.step === failed.step ? lastError : undefined,
  })
  await runs.advance(runId, 'failed', new Date().toISOString(), { failure })
  return failure
})
