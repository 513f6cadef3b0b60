import { existsSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import type { RoslinError } from '../core/errors.ts'

export interface FolderFile {
  readonly path: string
  /** Below the folder, its folders by /. */
  readonly name: string
}

/**
 * All files below a folder, in the order of their names, which their upload's hash depends on. Links to files are followed: a
 * snapshot in the Hub's own cache has nothing else.
 * @throws what `refused` makes of the reason why one cannot be sent
 */
export async function filesOf(folder: string, refused: (why: string) => RoslinError): Promise<FolderFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, name: relative(folder, path).split(sep).join('/') }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const { path, name } of files) {
    if (!existsSync(path)) throw refused(`its ${JSON.stringify(name)} is a link that leads to no file`)
    if (!statSync(path).isFile()) {
      throw refused(
        `its ${JSON.stringify(name)} is neither a file nor a link to one; linked folders are not followed`,
      )
    }
  }
  return files
}
