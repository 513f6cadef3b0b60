import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { INSTANCE_TYPE_NAMES, type InstanceTypeName } from '../../core/instance-types.ts'
import { optionPrice } from '../../core/option-price.ts'
import { onDemandPrice, type PriceTable, priceTableSchema, spotPrice, withPrices } from '../../core/prices.ts'
import { root } from '../support/checked-in.ts'
import { capacityOption } from '../support/recipes.ts'

const checkedIn = priceTableSchema.parse(JSON.parse(readFileSync(join(root, 'core/prices.json'), 'utf8')))

const prices: PriceTable = {
  'us-east-1': {
    'p4d.24xlarge': { onDemand: { usdPerHour: 20, checkedOn: '2026-11-01' } },
    'p5.48xlarge': { onDemand: { usdPerHour: 50 } },
  },
  'eu-west-1': {
    'p4d.24xlarge': {
      onDemand: { usdPerHour: 24, checkedOn: '2026-11-02' },
      spot: { usdPerHour: 9, checkedOn: '2026-11-02' },
    },
  },
}

const spot = (type: InstanceTypeName) => capacityOption(type, { purchase: 'spot' })

describe('the table of prices', () => {
  it('has for every type we know a price in us-east-1, and the dates of those that were looked up', () => {
    for (const type of INSTANCE_TYPE_NAMES)
      expect(checkedIn['us-east-1']?.[type]?.onDemand?.usdPerHour).toBeGreaterThan(0)
    expect(onDemandPrice('p3dn.24xlarge', 'us-east-1')).toMatchObject({
      usdPerHour: 31.212,
      checkedOn: '2026-11-24',
    })
  })

  it("gives a region's own price, else that of us-east-1 under its name", () => {
    expect(onDemandPrice('p4d.24xlarge', 'eu-west-1', prices)).toMatchObject({
      usdPerHour: 24,
      region: 'eu-west-1',
    })
    expect(onDemandPrice('p5.48xlarge', 'eu-west-1', prices)).toEqual({ usdPerHour: 50, region: 'us-east-1' })
  })

  it("knows Spot's price of the region alone", () => {
    expect(spotPrice('p4d.24xlarge', 'eu-west-1', prices)?.usdPerHour).toBe(9)
    expect(spotPrice('p4d.24xlarge', 'us-east-1', prices)).toBeUndefined()
    expect(spotPrice('p4d.24xlarge', 'us-west-2', prices)).toBeUndefined()
  })

  it('takes new prices in, and keeps what was not looked up or not found', () => {
    const found = { 'p4d.24xlarge': { onDemand: { usdPerHour: 23, checkedOn: '2026-11-24' } } }
    const table = withPrices(prices, 'eu-west-1', found)
    expect(table['eu-west-1']?.['p4d.24xlarge']).toEqual({
      onDemand: { usdPerHour: 23, checkedOn: '2026-11-24' },
      spot: { usdPerHour: 9, checkedOn: '2026-11-02' },
    })
    expect(table['us-east-1']).toBe(prices['us-east-1'])
    expect(withPrices(prices, 'ap-south-1', found)['ap-south-1']).toEqual(found)
    expect(prices['eu-west-1']?.['p4d.24xlarge']?.onDemand?.usdPerHour).toBe(24)
  })
})

describe("an option's price", () => {
  it('on demand is one figure, with its date and region', () => {
    const { usdPerHour, price } = optionPrice(capacityOption('p4d.24xlarge'), 'eu-west-1', prices)
    expect(usdPerHour).toEqual({ low: 24, expected: 24, high: 24 })
    expect(price).toEqual({
      usdPerHour: 24,
      listUsdPerHour: 24,
      region: 'eu-west-1',
      checkedOn: '2026-11-02',
      because: 'List price on demand in eu-west-1, looked up on 2026-11-02.',
    })
  })

  it('of another region is said to be, with how to look up its own', () => {
    const { price } = optionPrice(capacityOption('p5.48xlarge'), 'eu-west-1', prices)
    expect(price).toMatchObject({ region: 'us-east-1', checkedOn: null })
    expect(price.because).toBe(
      'List price on demand in us-east-1, not looked up yet. The table has no price of eu-west-1: `roslin prices refresh --region eu-west-1` looks it up.',
    )
  })

  it('as Spot is what it was on its day, up to the list price; and said to move', () => {
    const { usdPerHour, price } = optionPrice(spot('p4d.24xlarge'), 'eu-west-1', prices)
    expect(usdPerHour).toEqual({ low: 9, expected: 9, high: 24 })
    expect(price).toMatchObject({ usdPerHour: 9, listUsdPerHour: 24, checkedOn: '2026-11-02' })
    expect(price.because).toContain('it moves, up to the list price')
  })

  it('as Spot that was never looked up is at most the list price, at least a tenth of it', () => {
    const { usdPerHour, price } = optionPrice(spot('p4d.24xlarge'), 'us-east-1', prices)
    expect(usdPerHour).toEqual({ low: 2, expected: 20, high: 20 })
    expect(price.because).toContain('the list price is its upper bound')
  })

  it('as Spot above the list price that stands in from another region keeps its range in order', () => {
    const dear = withPrices(prices, 'eu-west-1', {
      'p5.48xlarge': { spot: { usdPerHour: 60, checkedOn: '2026-11-02' } },
    })
    expect(optionPrice(spot('p5.48xlarge'), 'eu-west-1', dear).usdPerHour).toEqual({
      low: 50,
      expected: 60,
      high: 60,
    })
  })
})
