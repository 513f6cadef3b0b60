import { HeadObjectCommand, NotFound, PutObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { parseS3Uri, storageLayout } from '../../core/storage-layout.ts'
import { s3 } from '../clients.ts'
import { variable } from '../environment.ts'
import type { Handlers } from './serve.ts'

const URL_LIFETIME_SECONDS = 3600

/** Where to PUT a local file. It lies under its content's hash: the same file is sent once. */
export const createUpload: Handlers['createUpload'] = async ({ body }) => {
  const { contentSha256, sha256, fileName, bytes } = body
  const uri = `${storageLayout(variable('BUCKET_NAME')).upload(contentSha256)}${fileName}`
  const at = parseS3Uri(uri)
  if (!at) throw new Error(`not an s3:// URI: ${uri}`)
  const object = { Bucket: at.bucket, Key: at.key }
  const head = await s3.send(new HeadObjectCommand(object)).catch((error) => {
    if (error instanceof NotFound) return undefined
    throw error
  })
  if (head?.ContentLength === bytes) return { uri, put: null }
  // S3 itself refuses a body that does not have this checksum.
  const checksum = Buffer.from(sha256, 'hex').toString('base64')
  const command = new PutObjectCommand({ ...object, ContentLength: bytes, ChecksumSHA256: checksum })
  const signed = ['content-length', 'x-amz-checksum-sha256']
  const url = await getSignedUrl(s3, command, {
    expiresIn: URL_LIFETIME_SECONDS,
    unhoistableHeaders: new Set(signed),
    signableHeaders: new Set([...signed, 'host']),
  })
  return { uri, put: { url, headers: { 'x-amz-checksum-sha256': checksum } } }
}
