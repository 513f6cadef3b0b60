import { HeadObjectCommand, NotFound, PutObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { Hono } from 'hono'
import { z } from 'zod'
import type { Upload } from '../../core/run-view.ts'
import { parseS3Uri, storageLayout } from '../../core/storage-layout.ts'
import { s3 } from '../clients.ts'
import { variable } from '../environment.ts'
import { parseBody } from './input.ts'

/** S3 takes at most this in one PUT. Larger models come from the Hub or are copied to the bucket by other means. */
const MAX_BYTES = 5 * 2 ** 30
const URL_LIFETIME_SECONDS = 3600

const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits')

const request = z.strictObject({
  contentSha256: sha256Hex,
  sha256: sha256Hex,
  fileName: z
    .string()
    .regex(/^[\w.-]+(\/[\w.-]+)*$/, 'a file name, folders by /')
    .refine((name) => !name.includes('..')),
  bytes: z.int().min(1).max(MAX_BYTES),
})

export const uploadRoutes = new Hono()

/** Where to PUT a local file. It lies under its content's hash: the same file is sent once. */
uploadRoutes.post('/', async (context) => {
  const { contentSha256, sha256, fileName, bytes } = await parseBody(request, context)
  const uri = `${storageLayout(variable('BUCKET_NAME')).upload(contentSha256)}${fileName}`
  const at = parseS3Uri(uri)
  if (!at) throw new Error(`not an s3:// URI: ${uri}`)
  const object = { Bucket: at.bucket, Key: at.key }
  const head = await s3.send(new HeadObjectCommand(object)).catch((error) => {
    if (error instanceof NotFound) return undefined
    throw error
  })
  if (head?.ContentLength === bytes) return context.json({ uri, put: null } satisfies Upload)
  // S3 itself refuses a body that does not have this checksum.
  const checksum = Buffer.from(sha256, 'hex').toString('base64')
  const command = new PutObjectCommand({ ...object, ContentLength: bytes, ChecksumSHA256: checksum })
  const signed = ['content-length', 'x-amz-checksum-sha256']
  const url = await getSignedUrl(s3, command, {
    expiresIn: URL_LIFETIME_SECONDS,
    unhoistableHeaders: new Set(signed),
    signableHeaders: new Set([...signed, 'host']),
  })
  return context.json(
    { uri, put: { url, headers: { 'x-amz-checksum-sha256': checksum } } } satisfies Upload,
    201,
  )
})
