import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { root } from './checked-in.ts'

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Spawned {
  readonly child: ChildProcessWithoutNullStreams
  readonly ended: Promise<Ended>
  /** Resolves once stderr holds a match; rejects when the process ends without. */
  says(pattern: RegExp): Promise<RegExpExecArray>
}

/** Starts a command in the project's folder. */
export function start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Spawned {
  const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env } })
  child.stdin.end()
  // Nothing that a test has started outlives the tests, however they end.
  const kill = () => child.kill('SIGKILL')
  process.on('exit', kill)
  child.on('close', () => process.off('exit', kill))
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
  const says = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(stderr)
        if (found) resolve(found)
      }
      look()
      child.stderr.on('data', look)
      ended.then(() => reject(new Error(`ended without saying ${pattern}:\n${stderr}`)), reject)
    })
  return { child, ended, says }
}

export function execute(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  return start(command, args, env).ended
}

/** The roslin command, by the entry that its users start. */
export function startRoslin(args: readonly string[], env: NodeJS.ProcessEnv = {}): Spawned {
  return start(process.execPath, ['cli/bin.mjs', ...args], env)
}
