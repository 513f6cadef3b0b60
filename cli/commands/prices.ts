import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { INSTANCE_TYPE_NAMES } from '../../core/instance-types.ts'
import {
  onDemandPrice,
  type PriceTable,
  priceTableSchema,
  REFERENCE_REGION,
  withPrices,
} from '../../core/prices.ts'
import { root } from '../../local/paths.ts'
import { plainTable, usd } from '../format.ts'
import { print, printJson, say } from '../output.ts'
import { jsonOption, regionOption } from './options.ts'

const fileOption = () =>
  new Option('--file <path>', 'the table').default(join(root, 'core/prices.json'), 'core/prices.json')

interface PricesOptions {
  readonly region: string
  readonly file: string
  readonly json?: true
}

export function addPricesCommand(program: Command): void {
  const prices = program
    .command('prices')
    .description('what machines cost an hour, each figure with its date')

  prices
    .command('list')
    .description('the table as it is')
    .addOption(regionOption('of which region').default(REFERENCE_REGION))
    .addOption(fileOption())
    .addOption(jsonOption())
    .action(({ region, file, json }: PricesOptions) => {
      const table = readTable(file)
      if (json) return printJson(table[region] ?? {})
      print(pricesTable(table, region))
    })

  prices
    .command('refresh')
    .description('look the prices of a region up at AWS, and write them into core/prices.json')
    .addOption(regionOption('of which region').makeOptionMandatory())
    .addOption(fileOption())
    .addOption(jsonOption())
    .action(async ({ region, file, json }: PricesOptions) => {
      const before = readTable(file)
      const { lookUpPrices } = await import('../aws-prices.ts')
      const found = await lookUpPrices(region, INSTANCE_TYPE_NAMES, new Date())
      const table = withPrices(before, region, found)
      writeTable(file, table)
      const missing = INSTANCE_TYPE_NAMES.filter((type) => !found[type]?.onDemand)
      if (missing.length > 0) say(`Not offered on demand in ${region}: ${missing.join(', ')}.`)
      say(`${file} has the prices of ${region}. Plans use them once the team's stacks are deployed again.`)
      if (json) printJson(found)
      else print(pricesTable(table, region))
    })
}

function readTable(file: string): PriceTable {
  return priceTableSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
}

/** Whole or not at all: an estimate may be reading it. */
function writeTable(file: string, table: PriceTable): void {
  writeFileSync(`${file}.partial`, `${JSON.stringify(table, null, 2)}\n`)
  renameSync(`${file}.partial`, file)
}

function pricesTable(prices: PriceTable, region: string): string {
  const table = plainTable(['instance type', 'on demand', 'looked up', 'of', 'Spot', 'looked up'])
  for (const type of INSTANCE_TYPE_NAMES) {
    const price = onDemandPrice(type, region, prices)
    const spot = prices[region]?.[type]?.spot
    table.push([
      type,
      usd(price.usdPerHour),
      price.checkedOn ?? 'never',
      price.region,
      spot ? usd(spot.usdPerHour) : '–',
      spot?.checkedOn ?? '–',
    ])
  }
  return table.toString()
}
