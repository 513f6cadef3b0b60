import { createHash } from 'node:crypto'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { checkDataset } from '../../core/dataset.ts'
import type { DatasetVersion } from '../../core/dataset-version.ts'
import { storageLayout } from '../../core/storage-layout.ts'
import { datasetOccasion } from '../../core/trigger.ts'
import { datasets, s3 } from '../clients.ts'
import type { DatasetFile } from '../dataset-file.ts'
import { variable } from '../environment.ts'
import { logger } from '../logger.ts'
import { deployedTriggers } from './deployed-triggers.ts'
import { openWindow } from './open-window.ts'

/**
 * A file becomes a version of its data set, and recipes that follow the data set start. Done again with the same content, it is
 * the same version, and nothing starts.
 * @throws RoslinError DATASET_INVALID
 */
export async function registerDataset(
  name: string,
  { bytes, name: file }: DatasetFile,
  { from, createdAt }: Pick<DatasetVersion, 'from' | 'createdAt'>,
): Promise<DatasetVersion> {
  const { rows, format } = await checkDataset(bytes, file, 'auto')
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const uri = await keep(name, sha256, file, bytes)
  const found = { name, sha256, uri, rows, format, bytes: bytes.length, createdAt, from }
  const version = await datasets.register(found)
  logger.info('data set version', { name, version: version.version, rows })
  for (const trigger of deployedTriggers('dataset', name)) {
    await openWindow(trigger, datasetOccasion(trigger.recipe, version))
  }
  return version
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
