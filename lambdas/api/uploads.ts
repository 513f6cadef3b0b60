import { HeadObjectCommand, NotFound } from '@aws-sdk/client-s3'
import { createPresignedPost } from '@aws-sdk/s3-presigned-post'
import { incomingFolder } from '../../core/dataset-version.ts'
import { parseS3Uri, type S3Location, storageLayout } from '../../core/storage-layout.ts'
import type { Upload } from '../../core/upload.ts'
import { datasets, s3 } from '../clients.ts'
import { variable } from '../environment.ts'
import type { Handlers } from './serve.ts'

/** In which S3 must have been asked; how long the file then takes is not counted. */
const POLICY_LIFETIME_SECONDS = 15 * 60

/** A local file of a recipe. It lies under its content's hash: the same file is sent once. */
const createUpload: Handlers['createUpload'] = async ({ body }) => {
  const { contentSha256, sha256, fileName, bytes } = body
  const uri = `${storageLayout(variable('BUCKET_NAME')).upload(contentSha256)}${fileName}`
  return { uri, post: (await bytesAt(locate(uri))) === bytes ? null : await formFor(uri, sha256, bytes) }
}

/** A file for a data set: arrived, it becomes a version. */
const createDatasetUpload: Handlers['createDatasetUpload'] = async ({ params: { name }, body }) => {
  const { sha256, fileName, bytes } = body
  const known = (await datasets.versions(name)).find((version) => version.sha256 === sha256)
  if (known) return { uri: known.uri, post: null }
  const uri = `s3://${variable('BUCKET_NAME')}/${incomingFolder(name)}${sha256}/${fileName}`
  return { uri, post: await formFor(uri, sha256, bytes) }
}

export const uploadHandlers = { createUpload, createDatasetUpload }

/** S3 itself holds the form to the key, the size and the checksum, and refuses any other field. */
async function formFor(uri: string, sha256: string, bytes: number): Promise<Upload['post']> {
  const { bucket, key } = locate(uri)
  return createPresignedPost(s3, {
    Bucket: bucket,
    Key: key,
    Fields: { 'x-amz-checksum-sha256': Buffer.from(sha256, 'hex').toString('base64') },
    Conditions: [['content-length-range', bytes, bytes]],
    Expires: POLICY_LIFETIME_SECONDS,
  })
}

async function bytesAt({ bucket, key }: S3Location): Promise<number | undefined> {
  const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key })).catch((error) => {
    if (error instanceof NotFound) return undefined
    throw error
  })
  return head?.ContentLength
}

function locate(uri: string): S3Location {
  const at = parseS3Uri(uri)
  if (!at) throw new Error(`not an s3:// URI: ${uri}`)
  return at
}
