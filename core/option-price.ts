import { optionName } from './capacity.ts'
import type { EstimatedOption } from './estimate-schema.ts'
import { onDemandPrice, type PriceTable, spotPrice } from './prices.ts'
import type { Range } from './speed.ts'
import type { CapacityOption } from './team-capacity.ts'

/** AWS says of Spot: up to 90 % below the price on demand. */
const SPOT_LOWEST_SHARE = 0.1

/** USD an hour of an option, and how that is known. On demand it is one figure; Spot's moves. */
export function optionPrice(
  option: CapacityOption,
  region: string,
  prices?: PriceTable,
): { readonly usdPerHour: Range; readonly price: EstimatedOption['price'] } {
  const list = onDemandPrice(option.instanceType, region, prices)
  const own = option.reservation?.priceUsdPerHour
  if (own) return ownPrice(own, list.usdPerHour, region)
  const spot = option.purchase === 'spot' ? spotPrice(option.instanceType, region, prices) : undefined
  const expected = spot?.usdPerHour ?? list.usdPerHour
  const sentences = [
    `List price on demand in ${list.region}, ${list.checkedOn ? `looked up on ${list.checkedOn}` : 'not looked up yet'}.`,
  ]
  if (list.region !== region)
    sentences.push(
      `The table has no price of ${region}: \`roslin prices refresh --region ${region}\` looks it up.`,
    )
  if (spot) {
    sentences.unshift(
      `Spot on ${spot.checkedOn}, the middle of ${region}'s zones; it moves, up to the list price.`,
    )
  } else if (option.purchase === 'spot') {
    sentences.unshift(
      `Spot's price moves and is not in the table for ${optionName(option)} in ${region}: the list price is its upper bound, a tenth of it the lower.`,
    )
  }
  if (option.purchase === 'reserved') {
    sentences.push('AWS bills a reservation whether it is used or not; its hours count at this price.')
  }
  const low = option.purchase === 'spot' ? list.usdPerHour * SPOT_LOWEST_SHARE : list.usdPerHour
  return {
    usdPerHour: {
      low: Math.min(spot?.usdPerHour ?? low, list.usdPerHour),
      expected,
      high: Math.max(expected, list.usdPerHour),
    },
    price: {
      usdPerHour: expected,
      listUsdPerHour: list.usdPerHour,
      region: spot ? region : list.region,
      checkedOn: (spot ?? list).checkedOn ?? null,
      because: sentences.join(' '),
    },
  }
}

function ownPrice(
  usdPerHour: number,
  listUsdPerHour: number,
  region: string,
): ReturnType<typeof optionPrice> {
  return {
    usdPerHour: { low: usdPerHour, expected: usdPerHour, high: usdPerHour },
    price: {
      usdPerHour,
      listUsdPerHour,
      region,
      checkedOn: null,
      because: "The team file's price of its reservation, which AWS bills whether it is used or not.",
    },
  }
}
