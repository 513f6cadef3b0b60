import { createHash } from 'node:crypto'
import { createReadStream, openAsBlob, statSync } from 'node:fs'
import { basename } from 'node:path'
import { RoslinError } from '../core/errors.ts'
import type { Upload } from '../core/upload.ts'

export interface LocalFile {
  readonly path: string
  /** Its name in the bucket, below the folder of what it belongs to. */
  readonly name: string
  readonly sha256: string
  readonly bytes: number
}

export async function localFile(path: string, name: string): Promise<LocalFile> {
  const digest = createHash('sha256')
  for await (const chunk of createReadStream(path)) digest.update(chunk)
  return { path, name, sha256: digest.digest('hex'), bytes: statSync(path).size }
}

/**
 * Sends a file to S3, unless the team has it already.
 * @throws RoslinError UPLOAD_MISMATCH for one that is no more what it was
 */
export async function sendFile(
  { post }: Upload,
  { path, name, bytes }: LocalFile,
  note: (text: string) => void,
): Promise<void> {
  if (!post) return
  note(`sending ${name} (${(bytes / 1e6).toFixed(1)} MB)`)
  const form = new FormData()
  for (const [field, value] of Object.entries(post.fields)) form.set(field, value)
  // Last: S3 reads no field after it.
  form.set('file', await openAsBlob(path), basename(path))
  const response = await fetch(post.url, { method: 'POST', body: form })
  if (response.ok) return
  throw new RoslinError(
    'UPLOAD_MISMATCH',
    `S3 did not take ${path}: ${response.status} ${(await response.text()).slice(0, 200)}.`,
    'Was the file changed meanwhile? Run the same command again.',
  )
}
