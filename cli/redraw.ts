import { setTimeout as sleep } from 'node:timers/promises'
import { print } from './output.ts'

const POLL_MILLISECONDS = 2000
const CLEAR_AND_HOME = '\x1b[2J\x1b[H'

export interface Shown<Value> {
  readonly page: (value: Value) => string
  /** One document a line, instead of pages. */
  readonly json: boolean
  readonly isLast: (value: Value) => boolean
}

/** Shows what is asked for whenever it looks different, over what stood there before; on no terminal, after it. Gives the last. */
export async function showChanges<Value>(
  ask: () => Promise<Value>,
  { page, json, isLast }: Shown<Value>,
): Promise<Value> {
  let shown: string | undefined
  for (;;) {
    const value = await ask()
    const text = json ? JSON.stringify(value) : page(value)
    if (text !== shown) print(!json && process.stdout.isTTY ? `${CLEAR_AND_HOME}${text}` : text)
    shown = text
    if (isLast(value)) return value
    await sleep(POLL_MILLISECONDS)
  }
}
