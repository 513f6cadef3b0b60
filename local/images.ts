import { join } from 'node:path'
import { root } from './paths.ts'

/** How the embedded AWS runs an image's container: a process with this command, to which the job's own is added. */
export interface LocalImage {
  readonly cwd: string
  readonly entrypoint: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** The trainer from this checkout, under the name that teams/demo.yaml gives it. */
export const trainerImage: Readonly<Record<string, LocalImage>> = {
  'roslin/trainer:embedded': {
    cwd: root,
    entrypoint: ['python', '-m', 'roslin_trainer'],
    env: { PYTHONPATH: join(root, 'containers/trainer/src') },
  },
}
