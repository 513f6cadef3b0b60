import type { FailedStep } from '../../core/failure.ts'
import { stepErrorSchema } from '../../core/run-files.ts'
import { RUN_FILES, storageLayout } from '../../core/storage-layout.ts'
import { variable } from '../environment.ts'
import { readJson } from '../s3-json.ts'

/** A failed step as the state machine hands it on. */
export interface Failed {
  readonly runId: string
  readonly step: string
  readonly error: { readonly Error?: string; readonly Cause?: string }
}

/** With what its container has said of itself, where it could. */
export async function failedStep({ runId, step, error }: Failed): Promise<FailedStep> {
  const lastError = await readJson(
    `${storageLayout(variable('BUCKET_NAME')).run(runId)}${RUN_FILES.error}`,
    stepErrorSchema,
  )
  return {
    step,
    error: error.Error ?? '',
    cause: error.Cause ?? '',
    ...(lastError?.step === step && { lastError }),
  }
}
