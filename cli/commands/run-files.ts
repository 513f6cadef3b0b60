import { type Command, Option } from 'commander'
import { deploymentCommand, wholeNumber } from './options.ts'

/** What a run has written down of itself. */
export function addRunFiles(runs: Command): void {
  deploymentCommand(runs, 'metrics')
    .description('how far training is, its speed and losses; with --json, the series too')
    .argument('<run>', "the run's id")
    .action(async (runId, options) => (await import('../actions/run-files.ts')).showMetrics(runId, options))

  deploymentCommand(runs, 'samples')
    .description("the prompts' answers by the base model and each kept checkpoint")
    .argument('<run>', "the run's id")
    .action(async (runId, options) => (await import('../actions/run-files.ts')).showSamples(runId, options))

  deploymentCommand(runs, 'profile')
    .description('what the GPUs and processors of one of its machines did')
    .argument('<run>', "the run's id")
    .addOption(
      new Option('--node <number>', 'which machine, from 0')
        .default(0)
        .argParser((text) => wholeNumber(text, 0, 63)),
    )
    .action(async (runId, options) => (await import('../actions/run-files.ts')).showProfile(runId, options))

  deploymentCommand(runs, 'events')
    .description('its timeline, as it was announced on the event bus')
    .argument('<run>', "the run's id")
    .action(async (runId, options) => (await import('../actions/run-files.ts')).showEvents(runId, options))
}
