import { RoslinError } from '../core/errors.ts'
import { ensureDemoModel } from './demo-model.ts'
import { ensureDeployed } from './deploy.ts'
import { type Embedded, findEmbedded, forget, remember } from './embedded.ts'
import { type Emulator, emulatorHealth, startEmulator, stopProcess } from './emulator.ts'
import { trainerImages, writeImages } from './images.ts'
import { withProgress } from './progress.ts'
import { ensurePython } from './python.ts'

export interface UpOptions {
  readonly port: number
  readonly team: string
  readonly jobSlots: number
  readonly background: boolean
  /** A command in place of the trainer's image. */
  readonly trainer?: string
}

export interface Up {
  readonly embedded: Embedded
  /** The emulator, where it was started here; one that ran already is somebody else's. */
  readonly own: Emulator | undefined
}

/** Brings the embedded AWS up with a team deployed to it, whatever of that was there before. */
export async function up(options: UpOptions): Promise<Up> {
  await ensurePython()
  await ensureDemoModel()
  const images = trainerImages(options.trainer)
  const running = await findEmbedded()
  if (running) {
    writeImages(images)
    const embedded = { ...running, team: options.team }
    await ensureDeployed(embedded)
    remember(embedded)
    return { embedded, own: undefined }
  }
  const emulator = await withProgress(`Embedded AWS on port ${options.port}`, () =>
    startEmulator({ ...options, images }),
  )
  const stop = async () => {
    await emulator.stop()
    forget(emulator.pid)
  }
  try {
    const health = await emulatorHealth(emulator.port)
    if (!health)
      throw new RoslinError(
        'SETUP_FAILED',
        'The embedded AWS stopped as soon as it had started.',
        'Try again.',
      )
    const embedded = {
      port: emulator.port,
      pid: emulator.pid,
      account: health.account,
      region: health.region,
      team: options.team,
    }
    remember(embedded)
    await ensureDeployed(embedded)
    return { embedded, own: { ...emulator, stop } }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Stops the embedded AWS; what it holds stays on disk. False when none ran. */
export async function down(): Promise<boolean> {
  const running = await findEmbedded()
  if (!running) return false
  await stopProcess(running.pid)
  forget(running.pid)
  return true
}
