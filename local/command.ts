import { spawn } from 'node:child_process'
import { RoslinError } from '../core/errors.ts'
import { interruption } from './interruption.ts'
import { root } from './paths.ts'

export interface CommandOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Called with the last line the command has printed. */
  readonly onLine?: (line: string) => void
}

const KEPT_CHARACTERS = 4000

/**
 * Runs a command to its end.
 * @throws Interrupted when the person wants out: the command has been ended then.
 * @throws RoslinError SETUP_FAILED with the end of what it printed, or why it cannot be run; DISK_FULL when that is why.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  interruption.throwIfAborted()
  const child = spawn(command, args, {
    cwd: options.cwd ?? root,
    env: options.env ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, so that an interruption ends what the command itself has started.
    detached: true,
  })
  const stop = () => child.pid !== undefined && process.kill(-child.pid, 'SIGTERM')
  interruption.addEventListener('abort', stop)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      const line = text.trim().split('\n').at(-1)
      if (line) options.onLine?.(line.trim().slice(0, 100))
    })
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', ({ message }) =>
      reject(
        new RoslinError('SETUP_FAILED', `${command} cannot be run: ${message}.`, '`npm run setup` mends it.'),
      ),
    )
    child.on('close', resolve)
  }).finally(() => interruption.removeEventListener('abort', stop))
  interruption.throwIfAborted()
  if (code === 0) return output
  const shown = `${command} ${args.join(' ')}`
  if (/No space left on device|ENOSPC|disk of the embedded AWS is full/.test(output)) {
    throw new RoslinError(
      'DISK_FULL',
      `The disk is full: ${shown} could not go on.`,
      'Make room, then run the same command again.',
    )
  }
  throw new RoslinError(
    'SETUP_FAILED',
    `${shown} ended with ${code}:\n${output.slice(-KEPT_CHARACTERS).trim()}`,
    'Read its words above, then try again.',
  )
}
