import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { hasEnded } from '../../core/run.ts'
import type { LogLine } from '../../core/run-logs.ts'
import { Client } from '../client.ts'
import { print } from '../output.ts'
import { findTarget } from '../target.ts'
import { jsonOption, teamOption } from './options.ts'

const POLL_MILLISECONDS = 1000

export function addLogsCommand(program: Command): void {
  program
    .command('logs')
    .description("what a run's containers have printed")
    .argument('<run>', "the run's id")
    .option('-f, --follow', 'go on until the run has ended')
    .addOption(teamOption())
    .addOption(jsonOption())
    .action(async (runId: string, options: { follow?: boolean; team?: string; json?: boolean }) => {
      const client = new Client(await findTarget(options.team))
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
    })
}

function shown({ at, step, message }: LogLine): string {
  return `${at.slice(11, 19)} ${step.padEnd(8)} ${message}`
}
