import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { paths, root } from './paths.ts'

/** How the embedded AWS runs an image's container: a process with this command, to which the job's own is added. */
export interface LocalImage {
  readonly cwd: string
  readonly entrypoint: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export type LocalImages = Readonly<Record<string, LocalImage>>

/** The name that teams/demo.yaml gives its image. */
const DEMO_IMAGE = 'roslin/trainer:embedded'

/** The trainer from this checkout, or the command that a person gives to stand in its place. */
export function trainerImages(command?: string): LocalImages {
  const own: LocalImage = {
    cwd: root,
    entrypoint: ['python', '-m', 'roslin_trainer'],
    env: { PYTHONPATH: join(root, 'containers/trainer/src') },
  }
  return { [DEMO_IMAGE]: command ? { cwd: root, entrypoint: command.trim().split(/\s+/) } : own }
}

/** The embedded AWS reads the file anew for each job. */
export function writeImages(images: LocalImages): void {
  mkdirSync(paths.state, { recursive: true })
  writeFileSync(paths.images, JSON.stringify(images, null, 2))
}
