import { type Command, Option } from 'commander'
import { STEPS } from '../../core/run.ts'
import { deploymentCommand, positive } from './options.ts'

export function addRunActions(runs: Command): void {
  deploymentCommand(runs, 'cancel')
    .description('end a run; training saves a checkpoint first')
    .argument('<run>', "the run's id")
    .option('--now', 'end its job at once, without a checkpoint')
    .action(async (runId, options) => (await import('../actions/run-actions.ts')).cancelRun(runId, options))

  resumingCommand(runs, 'resume').description(
    'go on with a run that failed, was cancelled or reached its limit, from its newest checkpoint',
  )
  resumingCommand(runs, 'retry')
    .description('go on with an ended run from a step, without doing again the ones before')
    .addOption(
      new Option('--from <step>', 'the step to begin with').choices([...STEPS]).makeOptionMandatory(),
    )
}

function resumingCommand(runs: Command, name: string): Command {
  return deploymentCommand(runs, name)
    .argument('<run>', "the run's id")
    .addOption(new Option('--max-usd <amount>', 'what the run may cost in all').argParser(positive))
    .addOption(new Option('--max-hours <hours>', 'how long one training job may take').argParser(positive))
    .option('--watch', 'follow it to its end; Ctrl-C detaches, the run goes on')
    .action(async (runId, options) => (await import('../actions/run-actions.ts')).resumeRun(runId, options))
}
