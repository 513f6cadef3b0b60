import { type Command, Option } from 'commander'
import { RUN_STATUSES } from '../../core/run.ts'
import { deploymentCommand, wholeNumber } from './options.ts'
import { addRunActions } from './run-actions.ts'
import { addRunFiles } from './run-files.ts'

export function addRunsCommand(program: Command): void {
  const runs = program.command('runs').description('look at runs, end them, go on with them')

  deploymentCommand(runs, 'list')
    .description('the newest runs first')
    .addOption(
      new Option('--limit <number>', 'how many').default(20).argParser((text) => wholeNumber(text, 1, 100)),
    )
    .option('--cursor <cursor>', 'go on after a page, with the cursor it gave')
    .option('--recipe <name>', 'those of a recipe alone')
    .addOption(new Option('--status <status>', 'those in a state alone').choices(RUN_STATUSES))
    .option('--model <name>', 'those that made a version of a model alone')
    .option('--watch', 'show them again when something changes, until Ctrl-C')
    .action(async (options) => (await import('../actions/runs.ts')).listRuns(options))

  deploymentCommand(runs, 'get')
    .description('one run: where it stands, its answers, its model')
    .argument('<run>', "the run's id")
    .option('--watch', 'show it again when something changes, until it has ended')
    .action(async (runId, options) => (await import('../actions/runs.ts')).getRun(runId, options))

  deploymentCommand(runs, 'watch')
    .description('follow a run to its end; Ctrl-C detaches, the run goes on')
    .argument('<run>', "the run's id")
    .action(async (runId, options) => (await import('../actions/runs.ts')).watchRun(runId, options))

  addRunActions(runs)
  addRunFiles(runs)
}
