import { GetObjectCommand, HeadObjectCommand, NotFound } from '@aws-sdk/client-s3'
import { datasetTooLarge, MAX_DATASET_BYTES } from '../core/data-file.ts'
import { RoslinError } from '../core/errors.ts'
import { parseS3Uri } from '../core/storage-layout.ts'
import { s3 } from './clients.ts'

export interface DatasetFile {
  readonly bytes: Uint8Array
  readonly name: string
}

/**
 * A data file where it lies.
 * @param path the field that names it
 * @throws RoslinError DATASET_NOT_FOUND, DATASET_INVALID for one that is too large
 */
export async function readDatasetFile(source: string, bucket: string, path: string): Promise<DatasetFile> {
  const at = parseS3Uri(source)
  const notFound = (why: string) =>
    new RoslinError(
      'DATASET_NOT_FOUND',
      `There is no data file ${source}: ${why}.`,
      `Give a local file (the CLI sends it up) or an object under s3://${bucket}/.`,
      [{ path, message: why }],
    )
  if (!at) throw notFound('it is no s3:// URI')
  if (at.bucket !== bucket) throw notFound("it is not in the team's bucket")
  const object = { Bucket: at.bucket, Key: at.key }
  const head = await s3.send(new HeadObjectCommand(object)).catch((error) => {
    // A key that S3 does not take, such as one with ../, is one where nothing is.
    if (error instanceof NotFound || error.$metadata?.httpStatusCode === 400) return undefined
    throw error
  })
  if (!head) throw notFound('nothing is stored there')
  const { ContentLength = 0 } = head
  if (ContentLength > MAX_DATASET_BYTES) throw datasetTooLarge(source, ContentLength)
  const { Body } = await s3.send(new GetObjectCommand(object))
  const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array()
  return { bytes, name: at.key.split('/').at(-1) ?? source }
}
