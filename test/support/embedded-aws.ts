import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import type { LocalImage } from '../../local/images.ts'
import { freePort } from './processes.ts'

/** What the tests know of the embedded AWS that they share. */
export interface SharedEmbedded {
  readonly stateDir: string
  readonly port: number
  readonly account: string
  readonly region: string
  readonly team: string
  /** A copy of the emulator's state right after the deployment, for tests that start one of their own. */
  readonly deployedState: string
}

declare module 'vitest' {
  interface ProvidedContext {
    readonly embedded: SharedEmbedded
  }
}

export const JOB_SLOTS = 3

/** The stub in place of the trainer, under the name that teams/demo.yaml gives it. */
export const stubImage: Readonly<Record<string, LocalImage>> = {
  'roslin/trainer:embedded': {
    cwd: join(import.meta.dirname, '../..'),
    entrypoint: ['python', join(import.meta.dirname, 'stub_trainer.py')],
  },
}

/** Starts one embedded AWS with team demo deployed to it, for all files of the project. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'roslin-embedded-'))
  const stateDir = join(folder, 'shared')
  const deployedState = join(folder, 'deployed')
  // Read by local/paths.ts when it is imported, which must therefore come later.
  process.env.ROSLIN_STATE_DIR = stateDir
  const { ensurePython } = await import('../../local/python.ts')
  const { ensureDeployed } = await import('../../local/deploy.ts')
  const { remember } = await import('../../local/embedded.ts')
  const { emulatorHealth, startEmulator } = await import('../../local/emulator.ts')
  await ensurePython()
  const port = await freePort()
  const start = async () => {
    const emulator = await startEmulator({ port, images: stubImage, jobSlots: JOB_SLOTS, background: false })
    const health = await emulatorHealth(port)
    if (!health) throw new Error('the emulator ended as soon as it had started')
    const { pid, account, region } = health
    const embedded = { port, pid, account, region, team: 'demo' }
    remember(embedded)
    return { emulator, embedded }
  }
  const first = await start()
  try {
    await ensureDeployed(first.embedded)
  } finally {
    // Stopped in order, so that what is copied is whole.
    await first.emulator.stop()
  }
  cpSync(stateDir, deployedState, { recursive: true })
  const { emulator, embedded } = await start()
  const { account, region, team } = embedded
  project.provide('embedded', { stateDir, port, account, region, team, deployedState })
  return async () => {
    await emulator.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
