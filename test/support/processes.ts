import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const PATIENCE_MILLISECONDS = 90_000
/** Each question is a Lambda invocation or more, on processors that the runs need too. */
const POLL_MILLISECONDS = 150

/** Asks again until there is an answer; the test fails when there is none for long. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  detail: () => string = () => '',
): Promise<T> {
  const deadline = Date.now() + PATIENCE_MILLISECONDS
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() > deadline) throw new Error(`never happened: ${what} ${detail()}`)
    await sleep(POLL_MILLISECONDS)
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A zombie has ended; only nobody has asked for its exit code yet.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** The processes that have the text in their command line or their environment: children know whose they are by it. */
export function processesOf(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => {
      try {
        const told = ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${pid}/${file}`, 'utf8'))
        return told.some((words) => words.includes(text)) && isAlive(pid)
      } catch {
        return false
      }
    })
}

export async function gone(what: string, pids: () => readonly number[]): Promise<void> {
  await eventually(`${what} is gone`, () => (pids().length === 0 ? true : undefined))
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address !== 'object' || !address) throw new Error('no port')
  return address.port
}
