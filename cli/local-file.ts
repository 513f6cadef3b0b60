import { createHash } from 'node:crypto'
import { createReadStream, openAsBlob, statSync } from 'node:fs'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
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

const TRIES = 4
const FIRST_WAIT_MILLISECONDS = 500

/**
 * Sends a file to S3, unless the team has it already; gives where it lies.
 * @param askForForm anew for each try: a form is good for a quarter of an hour
 * @throws RoslinError UPLOAD_MISMATCH for one that is no more what it was, API_UNREACHABLE; the signal's reason when the person wants out
 */
export async function sendFile(
  askForForm: () => Promise<Upload>,
  file: LocalFile,
  note: (text: string) => void,
  signal?: AbortSignal,
): Promise<string> {
  const { path, name, bytes } = file
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    const { uri, post } = await askForForm()
    if (!post) return uri
    note(`sending ${name} (${(bytes / 1e6).toFixed(1)} MB)`)
    const broken = await send(post, path, signal)
    if (broken === undefined) return uri
    if (attempt === TRIES) {
      throw new RoslinError(
        'API_UNREACHABLE',
        `${path} could not be sent to S3: ${broken}.`,
        'Run the same command again: files that have arrived are not sent twice.',
      )
    }
    note(`${name} did not arrive: ${broken}`)
    await sleep(FIRST_WAIT_MILLISECONDS * 2 ** (attempt - 1))
  }
}

/** What went wrong on its way; undefined where it has arrived. */
async function send(
  post: NonNullable<Upload['post']>,
  path: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const form = new FormData()
  for (const [field, value] of Object.entries(post.fields)) form.set(field, value)
  let response: Response
  let text: string
  try {
    // Last: S3 reads no field after it.
    form.set('file', await openAsBlob(path), basename(path))
    response = await fetch(post.url, { method: 'POST', body: form, ...(signal && { signal }) })
    text = await response.text()
  } catch (error) {
    signal?.throwIfAborted()
    const { message, cause } = error as Error & { cause?: Error }
    return cause?.message || message
  }
  if (response.ok) return undefined
  const said = `${response.status} ${text.slice(0, 200)}`
  // 400 is about the file, but for one of which nothing came for a while.
  if (response.status !== 400 || text.includes('<Code>RequestTimeout</Code>')) return `S3 answered ${said}`
  throw new RoslinError(
    'UPLOAD_MISMATCH',
    `S3 did not take ${path}: ${said}.`,
    'Was the file changed meanwhile? Run the same command again.',
  )
}
