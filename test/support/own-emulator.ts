import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import type { Emulator } from '../../local/emulator.ts'
import type { Deployment } from './deployment.ts'
import { JOB_SLOTS, stubImage } from './embedded-aws.ts'
import { freePort, gone, processesOf } from './processes.ts'

/** An embedded AWS of a test file's own, with the team deployed: one to be deployed to, or to be killed. */
export class OwnEmulator {
  readonly stateDir: string
  #port: number | undefined
  #emulator: Emulator | undefined

  constructor(name: string) {
    this.stateDir = join(mkdtempSync(join(tmpdir(), `roslin-${name}-`)), 'state')
    cpSync(inject('embedded').deployedState, this.stateDir, { recursive: true })
    process.env.ROSLIN_STATE_DIR = this.stateDir
  }

  /** Again, after a `stop` or a `kill`, at the same address. */
  async start(): Promise<Deployment> {
    // local/paths.ts reads the folder when it is imported.
    const { startEmulator } = await import('../../local/emulator.ts')
    const { Deployment } = await import('./deployment.ts')
    const { account, region } = inject('embedded')
    this.#port ??= await freePort()
    const port = this.#port
    this.#emulator = await startEmulator({ port, images: stubImage, jobSlots: JOB_SLOTS, background: false })
    return Deployment.open({ port, account, region })
  }

  async stop() {
    await this.#emulator?.stop()
  }

  kill() {
    if (this.#emulator) process.kill(this.#emulator.pid, 'SIGKILL')
  }

  async gone() {
    await gone('every process of the emulator', () => processesOf(this.stateDir))
  }

  async remove() {
    await this.stop()
    await this.gone()
    rmSync(join(this.stateDir, '..'), { recursive: true, force: true })
  }
}
