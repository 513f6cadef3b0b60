import { createHash } from 'node:crypto'
import { GetObjectCommand, NoSuchKey, PutObjectCommand } from '@aws-sdk/client-s3'
import { z } from 'zod'
import { datasetTooLarge, MAX_DATASET_BYTES } from '../../core/data-file.ts'
import { checkDataset } from '../../core/dataset.ts'
import { type DatasetVersion, incomingFile } from '../../core/dataset-version.ts'
import { RoslinError } from '../../core/errors.ts'
import { storageLayout } from '../../core/storage-layout.ts'
import { datasetOccasion } from '../../core/trigger.ts'
import { datasets, s3 } from '../clients.ts'
import { variable } from '../environment.ts'
import { logger } from '../logger.ts'
import { deployedTriggers } from './deployed-triggers.ts'
import { openWindow } from './open-window.ts'

const objectCreated = z.object({
  time: z.string(),
  detail: z.object({ object: z.object({ key: z.string(), size: z.number() }) }),
})

/** A file arrived: it becomes a version of its data set, or its reason not to is kept; recipes that follow the data set start. */
export async function handler(event: unknown): Promise<void> {
  const { time, detail } = objectCreated.parse(event)
  const { key, size } = detail.object
  const file = incomingFile(key)
  if (!file) return logger.warn('no data set’s file', { key })
  const from = `s3://${variable('BUCKET_NAME')}/${key}`
  const version = await register(file.dataset, file.file, key, size, from, time)
  if (!version) return
  logger.info('data set version', { name: version.name, version: version.version, rows: version.rows })
  for (const trigger of deployedTriggers('dataset', version.name)) {
    await openWindow(trigger, datasetOccasion(trigger.recipe, version))
  }
}

async function register(
  name: string,
  file: string,
  key: string,
  size: number,
  from: string,
  createdAt: string,
): Promise<DatasetVersion | undefined> {
  try {
    if (size > MAX_DATASET_BYTES) throw datasetTooLarge(file, size)
    const bytes = await read(key)
    if (!bytes) return undefined
    const { rows, format } = await checkDataset(bytes, file, 'auto')
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const uri = await keep(name, sha256, file, bytes)
    return await datasets.register({ name, sha256, uri, rows, format, bytes: bytes.length, createdAt, from })
  } catch (error) {
    if (!(error instanceof RoslinError)) throw error
    const { code, message, nextStep, issues } = error
    logger.warn('data set file refused', { key, code })
    await datasets.reject({ name, from, at: createdAt, code, message, nextStep, issues })
    return undefined
  }
}

/** Undefined where it has been taken away again. */
async function read(key: string): Promise<Uint8Array | undefined> {
  const object = await s3
    .send(new GetObjectCommand({ Bucket: variable('BUCKET_NAME'), Key: key }))
    .catch((error) => {
      if (error instanceof NoSuchKey) return undefined
      throw error
    })
  return object?.Body?.transformToByteArray()
}

/** What was checked and hashed, under its hash: written again, it is the same. */
async function keep(name: string, sha256: string, file: string, bytes: Uint8Array): Promise<string> {
  const bucket = variable('BUCKET_NAME')
  const uri = `${storageLayout(bucket).dataset(name, sha256)}${file}`
  const Key = uri.slice(`s3://${bucket}/`.length)
  const ChecksumSHA256 = Buffer.from(sha256, 'hex').toString('base64')
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: bytes, ChecksumSHA256 }))
  return uri
}
