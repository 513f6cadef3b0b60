import { z } from 'zod'
import { RoslinError } from './errors.ts'
import { median } from './speed.ts'

/** One document of the Price List API's GetProducts, as far as it is read. A term is of one rate code; USD comes as text. */
const productSchema = z.object({
  product: z.object({
    productFamily: z.string().optional(),
    attributes: z.record(z.string(), z.string()),
  }),
  terms: z.object({
    OnDemand: z
      .record(
        z.string(),
        z.object({
          priceDimensions: z.record(
            z.string(),
            z.object({ unit: z.string(), pricePerUnit: z.object({ USD: z.string().optional() }) }),
          ),
        }),
      )
      .optional(),
  }),
})

/**
 * What tells the one product that an instance is from its many neighbours of the same type: dedicated hosts and tenancy, Windows and
 * RHEL, SQL Server, reserved capacity that is paid for unused, capacity blocks, local zones.
 */
export const ON_DEMAND_FILTER: Readonly<Record<string, string>> = {
  operatingSystem: 'Linux',
  tenancy: 'Shared',
  capacitystatus: 'Used',
  preInstalledSw: 'NA',
  marketoption: 'OnDemand',
  locationType: 'AWS Region',
}

/**
 * The price on demand of a type in a region, out of the documents that the Price List API gave; undefined where the type is not
 * offered there.
 * @throws RoslinError PRICES_UNAVAILABLE for documents that are no price list, or that leave more than one price.
 */
export function onDemandUsdPerHour(
  documents: readonly string[],
  type: string,
  region: string,
): number | undefined {
  const wanted = { ...ON_DEMAND_FILTER, instanceType: type, regionCode: region }
  const prices = new Set(
    documents
      .map((text) => parseProduct(text, type))
      .filter(({ product: { attributes } }) =>
        // An attribute that a document lacks does not speak against it: older ones have no marketoption.
        Object.entries(wanted).every(([name, value]) => (attributes[name] ?? value) === value),
      )
      .flatMap(({ terms }) => Object.values(terms.OnDemand ?? {}))
      .flatMap(({ priceDimensions }) => Object.values(priceDimensions))
      .filter(({ unit }) => unit === 'Hrs')
      .map(({ pricePerUnit }) => Number(pricePerUnit.USD))
      .filter((price) => price > 0),
  )
  if (prices.size > 1) {
    throw unusable(`gave ${prices.size} prices for ${type} in ${region}: ${[...prices].join(', ')} USD`)
  }
  return prices.values().next().value
}

function parseProduct(text: string, type: string): z.output<typeof productSchema> {
  try {
    return productSchema.parse(JSON.parse(text))
  } catch (error) {
    throw unusable(`gave a document for ${type} that cannot be read: ${(error as Error).message}`)
  }
}

function unusable(what: string): RoslinError {
  return new RoslinError(
    'PRICES_UNAVAILABLE',
    `The Price List API ${what}.`,
    'Nothing was written. Put the price into core/prices.json by hand, with the date.',
  )
}

/** One entry of EC2's DescribeSpotPriceHistory, as far as it is read. */
export interface SpotPriceChange {
  readonly InstanceType?: string | undefined
  readonly AvailabilityZone?: string | undefined
  readonly SpotPrice?: string | undefined
  readonly Timestamp?: Date | undefined
}

/** What each type costs now, as Spot: the newest price of each zone, and of the zones' prices the middle one. */
export function spotUsdPerHour(changes: readonly SpotPriceChange[]): ReadonlyMap<string, number> {
  const byType = Map.groupBy(changes, ({ InstanceType = '' }) => InstanceType)
  return new Map(
    [...byType].flatMap(([type, ofType]) => {
      const byZone = Map.groupBy(ofType, ({ AvailabilityZone = '' }) => AvailabilityZone)
      const prices = [...byZone.values()]
        .map((ofZone) => ofZone.reduce((newest, change) => (time(change) > time(newest) ? change : newest)))
        .map(({ SpotPrice }) => Number(SpotPrice))
        .filter((price) => price > 0)
        .sort((a, b) => a - b)
      return prices.length > 0 ? [[type, median(prices)] as const] : []
    }),
  )
}

const time = ({ Timestamp }: SpotPriceChange) => Timestamp?.getTime() ?? 0
