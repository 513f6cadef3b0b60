import { type Command, Option } from 'commander'
import { deploymentCommand, positive } from './options.ts'

export function addRunCommand(program: Command): void {
  deploymentCommand(program, 'run')
    .description('start a run of a recipe, after its estimate and a question')
    .argument('<recipe>', 'a recipe file, such as recipes/dolly-mini.yaml')
    .option('--watch', 'follow it to its end; Ctrl-C detaches, the run goes on')
    .option('-y, --yes', 'start it without asking')
    .addOption(
      new Option('--max-usd <dollars>', "what it may cost in all, instead of the recipe's limit").argParser(
        positive,
      ),
    )
    .action(async (file, options) => (await import('../actions/run.ts')).run(file, options))
}
