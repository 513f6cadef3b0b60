import { setTimeout as sleep } from 'node:timers/promises'
import { hasEnded } from '../../core/run.ts'
import type { LogLine } from '../../core/run-logs.ts'
import { Client } from '../client.ts'
import type { DeploymentOptions } from '../commands/options.ts'
import { print } from '../output.ts'

const POLL_MILLISECONDS = 1000

export async function showLogs(
  runId: string,
  options: DeploymentOptions & { readonly follow?: true },
): Promise<void> {
  const client = await Client.connect(options)
  let cursor: string | undefined
  for (;;) {
    // Asked before the lines are: what is printed until the end is in the last page then.
    const { status } = await client.getRun(runId)
    const page = await client.getLogs(runId, cursor)
    cursor = page.cursor
    for (const line of page.lines) print(options.json ? JSON.stringify(line) : shown(line))
    if (!options.follow || hasEnded(status)) return
    await sleep(POLL_MILLISECONDS)
  }
}

function shown({ at, step, node, message }: LogLine): string {
  const whose = node === undefined ? step : `${step}.${node}`
  return `${at.slice(11, 19)} ${whose.padEnd(8)} ${message}`
}
