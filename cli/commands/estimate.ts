import { type Command, Option } from 'commander'
import { jsonOption, positive, profileOption, regionOption, wholeNumber } from './options.ts'

export function addEstimateCommand(program: Command): void {
  program
    .command('estimate')
    .description('what a recipe would take: hours and dollars for each capacity option; starts nothing')
    .argument('<recipe>', 'a recipe file, such as recipes/dolly-v1.yaml')
    .addOption(
      new Option('--epochs <number>', "instead of the recipe's").argParser((text) =>
        wholeNumber(text, 1, 100),
      ),
    )
    .addOption(
      new Option('--rows <number>', 'rows of the data, where the file is not here').argParser((text) =>
        wholeNumber(text, 1, 1e9),
      ),
    )
    .addOption(
      new Option('--tokens-per-row <number>', 'their mean length, prompt and response').argParser(positive),
    )
    .option('--team <name>', 'whose options: those of teams/<name>.yaml, or of its deployment')
    .addOption(regionOption('whose prices').conflicts('deployed'))
    .option('--deployed', "ask the team's deployment, which knows how fast earlier runs were")
    .addOption(profileOption().implies({ deployed: true }))
    .addOption(jsonOption())
    .action(async (file, options) => (await import('../actions/estimate.ts')).estimate(file, options))
}
