import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Issue, RoslinError } from '../../core/errors.ts'
import { INSTANCE_TYPE_NAMES } from '../../core/instance-types.ts'
import { onDemandPrice, type PriceTable, priceTableSchema, withPrices } from '../../core/prices.ts'
import { schemaIssues } from '../../core/schema-issues.ts'
import { root } from '../../local/paths.ts'
import { lookUpPrices } from '../aws-prices.ts'
import { usd } from '../format.ts'
import { print, printJson, say } from '../output.ts'
import { resolveSettings } from '../settings.ts'
import { table } from '../table.ts'
import { speakToAws } from '../target.ts'

const CHECKED_IN = join(root, 'core/prices.json')

interface PricesOptions {
  readonly region: string
  readonly file?: string
  readonly profile?: string
  readonly json?: true
}

export function listPrices({ region, file = CHECKED_IN, json }: PricesOptions): void {
  const prices = readTable(file)
  if (json) printJson(prices[region] ?? {})
  else print(pricesTable(prices, region))
}

export async function refreshPrices({
  region,
  file = CHECKED_IN,
  profile,
  json,
}: PricesOptions): Promise<void> {
  const before = readTable(file)
  speakToAws(resolveSettings({ profile }))
  const found = await lookUpPrices(region, INSTANCE_TYPE_NAMES, new Date())
  const prices = withPrices(before, region, found)
  writeTable(file, prices)
  const missing = INSTANCE_TYPE_NAMES.filter((type) => !found[type]?.onDemand)
  if (missing.length > 0) say(`Not offered on demand in ${region}: ${missing.join(', ')}.`)
  say(`${file} has the prices of ${region}. Plans use them once the team's stacks are deployed again.`)
  if (json) printJson(found)
  else print(pricesTable(prices, region))
}

/** @throws RoslinError PRICES_INVALID */
function readTable(file: string): PriceTable {
  const given = readJson(file)
  const { data, error } = priceTableSchema.safeParse(given)
  if (data) return data
  throw invalid(file, 'some of its fields are not allowed', schemaIssues(error, given))
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw invalid(file, (error as Error).message)
  }
}

function invalid(file: string, why: string, issues: readonly Issue[] = []): RoslinError {
  return new RoslinError(
    'PRICES_INVALID',
    `The table of prices ${file} cannot be used: ${why}.`,
    'Give --file the path of a table like core/prices.json, or leave it out.',
    issues,
  )
}

/** Whole or not at all: an estimate may be reading it. */
function writeTable(file: string, prices: PriceTable): void {
  writeFileSync(`${file}.partial`, `${JSON.stringify(prices, null, 2)}\n`)
  renameSync(`${file}.partial`, file)
}

function pricesTable(prices: PriceTable, region: string): string {
  const rows = INSTANCE_TYPE_NAMES.map((type) => {
    const price = onDemandPrice(type, region, prices)
    const spot = prices[region]?.[type]?.spot
    return [
      type,
      usd(price.usdPerHour),
      price.checkedOn ?? 'never',
      price.region,
      spot ? usd(spot.usdPerHour) : '–',
      spot?.checkedOn ?? '–',
    ]
  })
  return table(['instance type', 'on demand', 'looked up', 'of', 'Spot', 'looked up'], rows)
}
