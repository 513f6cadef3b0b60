import { type Command, Option } from 'commander'
import { Client } from '../client.ts'
import { runPage, runsTable } from '../format.ts'
import { print, printJson, say } from '../output.ts'
import { printOutcome } from '../run-and-follow.ts'
import { findTarget } from '../target.ts'
import { jsonOption, teamOption, wholeNumber } from './options.ts'
import { followRun } from './run.ts'
import { addRunActions } from './run-actions.ts'

interface ReadOptions {
  readonly team?: string
  readonly json?: boolean
}

export function addRunsCommand(program: Command): void {
  const runs = program.command('runs').description('look at runs, end them, go on with them')

  runs
    .command('list')
    .description('the newest runs first')
    .addOption(
      new Option('--limit <number>', 'how many').default(20).argParser((text) => wholeNumber(text, 1, 100)),
    )
    .option('--cursor <cursor>', 'go on after a page, with the cursor it gave')
    .addOption(teamOption())
    .addOption(jsonOption())
    .action(async (options: ReadOptions & { limit: number; cursor?: string }) => {
      const page = await new Client(await findTarget(options.team)).listRuns(options.limit, options.cursor)
      if (options.json) return printJson(page)
      print(runsTable(page))
      if (page.cursor) say(`There are more: npx roslin runs list --cursor ${page.cursor}`)
    })

  runs
    .command('get')
    .description('one run: where it stands, its answers, its model')
    .argument('<run>', "the run's id")
    .addOption(teamOption())
    .addOption(jsonOption())
    .action(async (runId: string, options: ReadOptions) => {
      const client = new Client(await findTarget(options.team))
      const run = await client.getRun(runId)
      if (options.json) return printJson(run)
      print(runPage(run))
      if (run.status === 'succeeded') await printOutcome(client, run)
    })

  runs
    .command('watch')
    .description('follow a run to its end; Ctrl-C detaches, the run goes on')
    .argument('<run>', "the run's id")
    .addOption(teamOption())
    .addOption(jsonOption())
    .action(async (runId: string, options: ReadOptions) => {
      await followRun(new Client(await findTarget(options.team)), runId, options.json ?? false)
    })

  addRunActions(runs)
}
