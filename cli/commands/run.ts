import type { Command } from 'commander'
import { Client } from '../client.ts'
import { CLI_EXIT } from '../exit-codes.ts'
import { runPage } from '../format.ts'
import { print, printJson, say } from '../output.ts'
import { printOutcome, startRun } from '../run-and-follow.ts'
import { findTarget } from '../target.ts'
import { watchRun } from '../watch.ts'
import { jsonOption, teamOption } from './options.ts'

export function addRunCommand(program: Command): void {
  program
    .command('run')
    .description('start a run of a recipe')
    .argument('<recipe>', 'a recipe file, such as recipes/dolly-mini.yaml')
    .option('--watch', 'follow it to its end; Ctrl-C detaches, the run goes on')
    .addOption(teamOption())
    .addOption(jsonOption())
    .action(async (file: string, options: { watch?: boolean; team?: string; json?: boolean }) => {
      const client = new Client(await findTarget(options.team))
      const run = await startRun(client, file)
      if (options.watch) {
        say(`run ${run.runId}`)
        return followRun(client, run.runId, options.json ?? false)
      }
      if (options.json) printJson(run)
      else print(run.runId)
    })
}

/** Watches until the run has ended (exit code 0 only when it succeeded) or the person leaves. */
export async function followRun(client: Client, runId: string, json: boolean): Promise<void> {
  const leaving = new AbortController()
  const leave = () => leaving.abort()
  process.once('SIGINT', leave)
  try {
    const ended = await watchRun(client, runId, leaving.signal)
    if (json) printJson(ended)
    else {
      print(runPage(ended))
      await printOutcome(client, ended)
    }
    process.exitCode = ended.status === 'succeeded' ? CLI_EXIT.ok : CLI_EXIT.failed
  } catch (error) {
    if (!leaving.signal.aborted) throw error
    say(`Detached. Run ${runId} goes on; watch it again: npx roslin runs watch ${runId}`)
    process.exitCode = CLI_EXIT.interrupted
  } finally {
    process.off('SIGINT', leave)
  }
}
