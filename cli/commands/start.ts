import type { Command } from 'commander'
import { jobSlotsOption, portOption, trainerOption } from './options.ts'

export function addStartCommand(program: Command): void {
  program
    .command('start')
    .description('everything at once: the embedded AWS, a run of a recipe, its answers (npm start)')
    .argument('[recipe]', 'a recipe file; default: recipes/dolly-mini.yaml of this package')
    .option('--once', 'end when the run has ended; 0 only when it succeeded')
    .addOption(portOption())
    .addOption(jobSlotsOption())
    .addOption(trainerOption())
    .action(async (recipe, options) => (await import('../actions/start.ts')).start(recipe, options))
}
