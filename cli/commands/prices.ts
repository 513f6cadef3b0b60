import { type Command, Option } from 'commander'
import { jsonOption, profileOption, regionOption } from './options.ts'

const fileOption = () => new Option('--file <path>', "the table; default: this package's core/prices.json")

export function addPricesCommand(program: Command): void {
  const prices = program
    .command('prices')
    .description('what machines cost an hour, each figure with its date')

  prices
    .command('list')
    .description('the table as it is')
    .addOption(regionOption('of which region').default('us-east-1'))
    .addOption(fileOption())
    .addOption(jsonOption())
    .action(async (options) => (await import('../actions/prices.ts')).listPrices(options))

  prices
    .command('refresh')
    .description('look the prices of a region up at AWS, and write them into core/prices.json')
    .addOption(regionOption('of which region').makeOptionMandatory())
    .addOption(profileOption())
    .addOption(fileOption())
    .addOption(jsonOption())
    .action(async (options) => (await import('../actions/prices.ts')).refreshPrices(options))
}
