import { z } from 'zod'
import type { InstanceTypeName } from './instance-types.ts'
import table from './prices.json' with { type: 'json' }

/** USD an hour. `checkedOn` is missing where the figure is remembered, not looked up. */
const priceSchema = z.strictObject({ usdPerHour: z.number().positive(), checkedOn: z.iso.date().optional() })
export type Price = z.output<typeof priceSchema>

/**
 * `prices.json`: region → instance type → what an hour of it costs, Linux. `spot` is the middle of the region's zones on its
 * day. `roslin prices refresh` writes it.
 */
export const priceTableSchema = z.record(
  z.string(),
  z.record(
    z.string(),
    z.strictObject({ onDemand: priceSchema.optional(), spot: priceSchema.required().optional() }),
  ),
)
export type PriceTable = z.output<typeof priceTableSchema>

/** The region that has a price for every type, and stands in for regions that have not been looked up. */
export const REFERENCE_REGION = 'us-east-1'

export interface RegionalPrice extends Price {
  /** Whose price it is: the region asked for, or us-east-1 where the table does not know that one. */
  readonly region: string
}

/** The list price on demand. */
export function onDemandPrice(
  type: InstanceTypeName,
  region: string,
  prices: PriceTable = table,
): RegionalPrice {
  const own = prices[region]?.[type]?.onDemand
  if (own) return { ...own, region }
  const reference = prices[REFERENCE_REGION]?.[type]?.onDemand
  if (!reference) throw new Error(`core/prices.json lacks ${type} in ${REFERENCE_REGION}`)
  return { ...reference, region: REFERENCE_REGION }
}

/** Spot's price on the day it was looked up; undefined where it never was. Another region's says nothing. */
export function spotPrice(
  type: InstanceTypeName,
  region: string,
  prices: PriceTable = table,
): Required<Price> | undefined {
  return prices[region]?.[type]?.spot
}

/** The table with what was looked up in a region put in; everything else stays as it was. */
export function withPrices(prices: PriceTable, region: string, found: PriceTable[string]): PriceTable {
  const before = prices[region] ?? {}
  const merged = Object.fromEntries(
    Object.keys({ ...before, ...found }).map((type) => [type, { ...before[type], ...found[type] }]),
  )
  return { ...prices, [region]: merged }
}
