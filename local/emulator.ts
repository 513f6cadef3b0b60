import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { RoslinError } from '../core/errors.ts'
import { type LocalImages, writeImages } from './images.ts'
import { interruption } from './interruption.ts'
import { paths, root } from './paths.ts'

export interface EmulatorOptions {
  readonly port: number
  readonly images: LocalImages
  /** Jobs that run at once. */
  readonly jobSlots: number
  /** Whether it goes on after this process; else it ends with it, however this process ends. */
  readonly background: boolean
  /** Where its state lies; left out, the project's own place. */
  readonly stateDir?: string
  /** Left out, it writes its state to disk as it goes. */
  readonly keepsState?: boolean
}

export interface Emulator {
  readonly port: number
  readonly pid: number
  /** Resolves when its process has ended, whoever ended it. */
  readonly ended: Promise<void>
  isRunning(): boolean
  /** Stops it in order, if it still runs: jobs get SIGTERM and time to save, the state is written. */
  stop(): Promise<void>
}

const START_TIMEOUT_MILLISECONDS = 60_000
const STOP_TIMEOUT_MILLISECONDS = 45_000
const EXIT_PORT_BUSY = 3
const EXIT_STATE_IN_USE = 4

const healthSchema = z.object({ ready: z.boolean(), pid: z.int(), account: z.string(), region: z.string() })
export type Health = z.output<typeof healthSchema>

export function endpointOf(port: number): string {
  return `http://127.0.0.1:${port}`
}

/** The emulator's own word on itself, or undefined when none answers there. */
export async function emulatorHealth(port: number): Promise<Health | undefined> {
  try {
    const response = await fetch(`${endpointOf(port)}/_roslin/health`, { signal: AbortSignal.timeout(2000) })
    return healthSchema.parse(await response.json())
  } catch {
    return undefined
  }
}

/** @throws RoslinError PORT_BUSY, ALREADY_RUNS, or SETUP_FAILED with the end of its log. */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const { port, background, stateDir = paths.aws, keepsState = true } = options
  mkdirSync(paths.aws, { recursive: true })
  writeImages(options.images)
  const log = openSync(paths.emulatorLog, 'w')
  const args = [
    '-m',
    'roslin_emulator',
    '--port',
    String(port),
    '--state-dir',
    stateDir,
    '--images',
    paths.images,
  ]
  args.push('--job-slots', String(options.jobSlots), ...(background ? [] : ['--exit-with-parent']))
  if (!keepsState) args.push('--forget')
  const child = spawn(paths.python, args, {
    cwd: root,
    env: {
      ...process.env,
      PYTHONPATH: join(root, 'local/emulator'),
      // Lambda functions run on the Node.js that Roslin pins.
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    },
    // Its own session: Ctrl-C is for us, and we stop it in order.
    detached: true,
    stdio: [background ? 'ignore' : 'pipe', log, log],
  })
  closeSync(log)
  let failure = ''
  child.once('error', ({ message }) => {
    failure = message
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const isRunning = () => child.exitCode === null && child.signalCode === null
  const deadline = Date.now() + START_TIMEOUT_MILLISECONDS
  while (isRunning() && Date.now() < deadline && !interruption.aborted) {
    const health = await emulatorHealth(port)
    if (health?.ready && health.pid === child.pid) {
      if (background) child.unref()
      const { pid } = health
      const stop = async () => {
        // The number of a process that has ended may be another's by now.
        if (isRunning()) await stopProcess(pid)
      }
      return { port, pid, ended, isRunning, stop }
    }
    await sleep(100)
  }
  child.kill('SIGKILL')
  interruption.throwIfAborted()
  if (child.exitCode === EXIT_PORT_BUSY) {
    throw new RoslinError(
      'PORT_BUSY',
      `Port ${port} is taken by another program.`,
      `Stop that program, or give another port: --port ${port + 1}.`,
    )
  }
  if (child.exitCode === EXIT_STATE_IN_USE) {
    const holder = readFileSync(join(stateDir, 'lock'), 'utf8')
    throw new RoslinError(
      'ALREADY_RUNS',
      `An embedded AWS already runs on ${stateDir}: ${holder}.`,
      'Use it, or stop it with `npx roslin down`; where it is starting or stopping, wait and try again.',
    )
  }
  const tail = readFileSync(paths.emulatorLog, 'utf8').slice(-2000).trim()
  throw new RoslinError(
    'SETUP_FAILED',
    `The embedded AWS did not start:\n${failure || tail}`,
    `The whole log is ${paths.emulatorLog}.`,
  )
}

/** @throws RoslinError SETUP_FAILED when the process does not end. */
export async function stopProcess(pid: number): Promise<void> {
  signal(pid, 'SIGTERM')
  const deadline = Date.now() + STOP_TIMEOUT_MILLISECONDS
  while (signal(pid, 0)) {
    if (Date.now() > deadline) {
      throw new RoslinError(
        'SETUP_FAILED',
        `The embedded AWS (process ${pid}) does not stop.`,
        `End it with: kill -9 ${pid}`,
      )
    }
    await sleep(50)
  }
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}
