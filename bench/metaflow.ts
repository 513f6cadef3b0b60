import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../local/command.ts'
import { paths, root } from '../local/paths.ts'
import { withProgress } from '../local/progress.ts'

const VERSION = '2.19.39'

export interface Peer {
  /** Runs its empty flow once; seconds. */
  runOnce(): Promise<number>
  remove(): void
}

/** Metaflow in an environment of its own. */
export async function installMetaflow(): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), 'roslin-metaflow-'))
  const python = join(folder, 'bin/python')
  await withProgress(`Metaflow ${VERSION}`, async () => {
    await run(paths.python, ['-m', 'venv', folder])
    await run(python, ['-m', 'pip', 'install', '--quiet', `metaflow==${VERSION}`])
  })
  const env = {
    ...process.env,
    METAFLOW_USER: 'bench',
    METAFLOW_DATASTORE_SYSROOT_LOCAL: folder,
    USERNAME: 'bench',
  }
  return {
    runOnce: async () => {
      const started = performance.now()
      await run(python, [join(root, 'bench/metaflow_flow.py'), 'run'], { env, cwd: folder })
      return (performance.now() - started) / 1000
    },
    remove: () => rmSync(folder, { recursive: true }),
  }
}
