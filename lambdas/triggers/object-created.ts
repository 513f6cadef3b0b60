import { z } from 'zod'
import { incomingFile } from '../../core/dataset-version.ts'
import { RoslinError } from '../../core/errors.ts'
import { datasets } from '../clients.ts'
import { readDatasetFile } from '../dataset-file.ts'
import { variable } from '../environment.ts'
import { logger } from '../logger.ts'
import { registerDataset } from './register-dataset.ts'

const objectCreated = z.object({
  time: z.string(),
  detail: z.object({ object: z.object({ key: z.string() }) }),
})

/** A file arrived: it becomes a version of its data set, or its reason not to is kept. */
export async function handler(event: unknown): Promise<void> {
  const { time, detail } = objectCreated.parse(event)
  const { key } = detail.object
  const name = incomingFile(key)?.dataset
  if (name === undefined) return logger.warn('no data set’s file', { key })
  const bucket = variable('BUCKET_NAME')
  const from = `s3://${bucket}/${key}`
  try {
    await registerDataset(name, await readDatasetFile(from, bucket, 'uri'), { from, createdAt: time })
  } catch (error) {
    if (!(error instanceof RoslinError)) throw error
    const { code, message, nextStep, issues } = error
    logger.warn('data set file refused', { key, code })
    // It has been taken away again.
    if (code === 'DATASET_NOT_FOUND') return
    await datasets.reject({ name, from, at: time, code, message, nextStep, issues })
  }
}
