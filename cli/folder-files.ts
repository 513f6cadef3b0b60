import { existsSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import type { RoslinError } from '../core/errors.ts'
import { MAX_UPLOAD_BYTES, uploadRequestSchema } from '../core/upload.ts'

/** What tools keep beside a model for themselves: the Hub's downloader (with links and locks) and Git. */
const LEFT_OUT = ['.cache', '.git']

export interface FolderFile {
  readonly path: string
  /** Below the folder, its folders by /. */
  readonly name: string
}

/**
 * All files below a folder that are not empty, in the order of their names, which their upload's hash depends on. Links to files
 * are followed: a snapshot in the Hub's own cache has nothing else.
 * @throws what `refused` makes of the reason why one cannot be sent
 */
export async function filesOf(folder: string, refused: (why: string) => RoslinError): Promise<FolderFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, name: relative(folder, path).split(sep).join('/') }))
    .filter(({ name }) => !name.split('/').some((part) => LEFT_OUT.includes(part)))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const { path, name } of files) {
    const why = whyNotSent(path, name)
    if (why !== undefined) throw refused(`its ${JSON.stringify(name)} ${why}`)
  }
  return files.filter(({ path }) => statSync(path).size > 0)
}

/** Undefined where it can be sent. */
function whyNotSent(path: string, name: string): string | undefined {
  if (!existsSync(path)) return 'is a link that leads to no file'
  const found = statSync(path)
  if (!found.isFile()) return 'is neither a file nor a link to one; linked folders are not followed'
  const { error } = uploadRequestSchema.shape.fileName.safeParse(name)
  if (error) return `cannot be sent under that name, rename it (allowed: ${error.issues[0]?.message})`
  if (found.size <= MAX_UPLOAD_BYTES) return undefined
  return `has ${found.size} bytes, save it in smaller shards (allowed: ${MAX_UPLOAD_BYTES} for one file)`
}
