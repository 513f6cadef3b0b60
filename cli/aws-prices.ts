import { EC2Client, paginateDescribeSpotPriceHistory } from '@aws-sdk/client-ec2'
import { PricingClient, paginateGetProducts } from '@aws-sdk/client-pricing'
import { RoslinError } from '../core/errors.ts'
import type { InstanceTypeName } from '../core/instance-types.ts'
import {
  ON_DEMAND_FILTER,
  onDemandUsdPerHour,
  type SpotPriceChange,
  spotUsdPerHour,
} from '../core/price-list.ts'
import type { PriceTable } from '../core/prices.ts'

/** The Price List API is served from here (and from eu-central-1 and ap-south-1), whatever region is asked about. */
const PRICE_LIST_REGION = 'us-east-1'
/** The SDK waits longer before each: a throttled account needs more than the usual three. */
const MAX_ATTEMPTS = 8

/**
 * What the types cost in a region today, on demand and as Spot; a type that is not offered there is left out.
 * @throws RoslinError PRICES_UNAVAILABLE
 */
export async function lookUpPrices(
  region: string,
  types: readonly InstanceTypeName[],
  now: Date,
): Promise<PriceTable[string]> {
  const checkedOn = now.toISOString().slice(0, 10)
  try {
    const onDemand = await onDemandPrices(region, types)
    const spot = spotUsdPerHour(await spotPriceChanges(region, types, now))
    return Object.fromEntries(
      types.flatMap((type) => {
        const [onDemandUsd, spotUsd] = [onDemand.get(type), spot.get(type)]
        if (onDemandUsd === undefined && spotUsd === undefined) return []
        return [
          [
            type,
            {
              ...(onDemandUsd !== undefined && { onDemand: { usdPerHour: onDemandUsd, checkedOn } }),
              ...(spotUsd !== undefined && { spot: { usdPerHour: spotUsd, checkedOn } }),
            },
          ],
        ]
      }),
    )
  } catch (error) {
    if (error instanceof RoslinError) throw error
    const { name, message } = error as Error
    throw new RoslinError(
      'PRICES_UNAVAILABLE',
      `AWS did not tell the prices of ${region}: ${name}: ${message}.`,
      'Nothing was written. It takes credentials that allow pricing:GetProducts and ec2:DescribeSpotPriceHistory; if AWS was only busy, try again.',
    )
  }
}

async function onDemandPrices(region: string, types: readonly InstanceTypeName[]) {
  const client = new PricingClient({ region: PRICE_LIST_REGION, maxAttempts: MAX_ATTEMPTS })
  const found = new Map<InstanceTypeName, number>()
  // One after the other: at once, the API throttles them.
  for (const type of types) {
    const filters = { ...ON_DEMAND_FILTER, instanceType: type, regionCode: region }
    const documents: string[] = []
    const pages = paginateGetProducts(
      { client },
      {
        ServiceCode: 'AmazonEC2',
        Filters: Object.entries(filters).map(([Field, Value]) => ({ Type: 'TERM_MATCH', Field, Value })),
      },
    )
    for await (const { PriceList = [] } of pages) documents.push(...PriceList.map(String))
    const usdPerHour = onDemandUsdPerHour(documents, type, region)
    if (usdPerHour !== undefined) found.set(type, usdPerHour)
  }
  return found
}

/** Asked from now on, EC2 answers with what is in force in each zone. */
async function spotPriceChanges(region: string, types: readonly InstanceTypeName[], now: Date) {
  const client = new EC2Client({ region, maxAttempts: MAX_ATTEMPTS })
  const changes: SpotPriceChange[] = []
  const pages = paginateDescribeSpotPriceHistory(
    { client },
    { InstanceTypes: [...types], ProductDescriptions: ['Linux/UNIX'], StartTime: now },
  )
  for await (const { SpotPriceHistory = [] } of pages) changes.push(...SpotPriceHistory)
  return changes
}
