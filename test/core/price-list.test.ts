import { describe, expect, it } from 'vitest'
import { onDemandUsdPerHour, spotUsdPerHour } from '../../core/price-list.ts'
import { neighbours, product } from '../support/price-list.ts'
import { thrownBy } from '../support/thrown.ts'

const priceOf = (...documents: string[]) => onDemandUsdPerHour(documents, 'p4d.24xlarge', 'eu-west-1')

describe('the price on demand, of what the Price List API gives', () => {
  it('is that of Linux, shared, without software, among all its neighbours', () => {
    const documents = neighbours('p4d.24xlarge')
    documents.splice(4, 0, product('p4d.24xlarge', '24.1500000000'))
    expect(priceOf(...documents)).toBe(24.15)
  })

  it('is the same from two documents that agree', () => {
    const document = product('p4d.24xlarge', '24.1500000000')
    expect(priceOf(document, document)).toBe(24.15)
  })

  it('is none where the type is not offered, has no term on demand, or another unit', () => {
    expect(priceOf()).toBeUndefined()
    expect(priceOf(...neighbours('p4d.24xlarge'))).toBeUndefined()
    expect(priceOf(product('p5.48xlarge', '55.0400000000'))).toBeUndefined()
    expect(priceOf(product('p4d.24xlarge', '200000.0', {}, 'Quantity'))).toBeUndefined()
    const reserved = JSON.parse(product('p4d.24xlarge', '1'))
    expect(priceOf(JSON.stringify({ ...reserved, terms: { Reserved: {} } }))).toBeUndefined()
  })

  it('is none in another currency', () => {
    expect(priceOf(product('p4d.24xlarge', '1').replace('"USD"', '"CNY"'))).toBeUndefined()
  })

  it('is taken from an older document, which does not know every attribute', () => {
    const { product: of, ...rest } = JSON.parse(product('p4d.24xlarge', '24.1500000000'))
    const { marketoption: _, ...attributes } = of.attributes
    expect(priceOf(JSON.stringify({ ...rest, product: { ...of, attributes } }))).toBe(24.15)
  })

  it.each([
    [
      'two prices',
      [product('p4d.24xlarge', '24.15'), product('p4d.24xlarge', '25')],
      '2 prices for p4d.24xlarge',
    ],
    ['no JSON', ['<html>'], 'cannot be read'],
    ['no product', ['{}'], 'cannot be read'],
  ])('is an error, not a guess, for %s', (_, documents, said) => {
    const error = thrownBy(() => priceOf(...documents))
    expect(error.code).toBe('PRICES_UNAVAILABLE')
    expect(error.message).toContain(said)
  })
})

describe("Spot's price, of EC2's history", () => {
  const change = (zone: string, SpotPrice: string, minute: number, InstanceType = 'p4d.24xlarge') => ({
    InstanceType,
    AvailabilityZone: `eu-west-1${zone}`,
    SpotPrice,
    Timestamp: new Date(Date.UTC(2026, 10, 24, 10, minute)),
  })

  it('is the newest of each zone, and of the zones the middle one', () => {
    const prices = spotUsdPerHour([
      change('a', '8.000000', 1),
      change('a', '9.000000', 3),
      change('a', '7.000000', 2),
      change('b', '12.000000', 1),
      change('c', '10.000000', 1),
    ])
    expect([...prices]).toEqual([['p4d.24xlarge', 10]])
  })

  it('of two zones lies between them, and each type has its own', () => {
    const prices = spotUsdPerHour([
      change('a', '8', 1),
      change('b', '10', 1),
      change('a', '0.04', 1, 'm7i.large'),
    ])
    expect(prices.get('p4d.24xlarge')).toBe(9)
    expect(prices.get('m7i.large')).toBe(0.04)
  })

  it('is none without entries, or where they have no price', () => {
    expect(spotUsdPerHour([]).size).toBe(0)
    expect(spotUsdPerHour([{ InstanceType: 'm7i.large', AvailabilityZone: 'a' }]).size).toBe(0)
  })
})
