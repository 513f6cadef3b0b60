import { describe, expect, it } from 'vitest'
import { fittingCapacity } from '../../core/capacity.ts'
import { INSTANCE_TYPES, type InstanceType } from '../../core/instance-types.ts'
import { memoryFit } from '../../core/memory.ts'
import { optionPrice } from '../../core/option-price.ts'
import { instanceStoreGib, scratchGib } from '../../core/scratch.ts'
import { parseTeam } from '../../core/team.ts'
import { recipe } from '../support/recipes.ts'
import { pathsOf, thrownBy } from '../support/thrown.ts'

const zone = 'us-east-1a'
const team = (option: object, overrides: object = {}) => ({
  name: 'speech',
  region: 'us-east-1',
  network: { kind: 'public', zones: [zone, 'us-east-1b'] },
  capacity: [{ instanceType: 'p4d.24xlarge', ...option }],
  ...overrides,
})
const refusalsOf = (input: object) =>
  pathsOf(
    thrownBy(() => parseTeam(input)),
    'TEAM_INVALID',
  )
const reserved = { purchase: 'reserved', reservation: { id: 'cr-0123456789abcdef0', zone } }

describe('a capacity option', () => {
  it.each([
    { purchase: 'spot', maxPricePercent: 60 },
    { scaleDownMinutes: 20 },
    { scratchGib: 2000 },
    { amiParameter: '/roslin/speech/machine-image' },
    reserved,
    { ...reserved, reservation: { ...reserved.reservation, kind: 'capacity-block', priceUsdPerHour: 12.5 } },
  ])('can be %j', (option) => {
    expect(parseTeam(team(option)).capacity[0]).toMatchObject(option)
  })

  it.each([
    ['maxPricePercent', { maxPricePercent: 60 }],
    ['maxPricePercent', { purchase: 'spot', maxPricePercent: 101 }],
    ['scaleDownMinutes', { scaleDownMinutes: 19 }],
    ['scaleDownMinutes', { scaleDownMinutes: 10_081 }],
    ['amiParameter', { amiParameter: 'two words' }],
    ['amiParameter', { amiParameter: '/a/b', amiId: 'ami-0123456789abcdef0' }],
    ['reservation', { purchase: 'reserved' }],
    ['reservation', { reservation: reserved.reservation }],
    ['reservation.id', { ...reserved, reservation: { id: 'r-1', zone } }],
    [
      'reservation.priceUsdPerHour',
      { ...reserved, reservation: { ...reserved.reservation, priceUsdPerHour: 0 } },
    ],
    ['maxNodes', { instanceType: 'g5.48xlarge', purchase: 'spot', maxNodes: 2 }],
  ])('is refused for %s: %j', (path, option) => {
    expect(refusalsOf(team(option))).toEqual([`capacity.0.${path}`])
  })

  it('on Volta needs an image by id or by parameter', () => {
    expect(refusalsOf(team({ instanceType: 'p3dn.24xlarge' }))).toEqual(['capacity.0.amiId'])
    const byParameter = { instanceType: 'p3dn.24xlarge', amiParameter: '/roslin/speech/machine-image' }
    expect(parseTeam(team(byParameter)).capacity).toHaveLength(1)
  })

  it('of a reservation needs a network that names its zone', () => {
    const elsewhere = { ...reserved, reservation: { ...reserved.reservation, zone: 'us-east-1f' } }
    expect(refusalsOf(team(elsewhere))).toEqual(['capacity.0.reservation.zone'])
    expect(refusalsOf(team(reserved, { network: { kind: 'public', zones: 3 } }))).toEqual([
      'capacity.0.reservation.zone',
    ])
  })

  it('of several network cards needs a private network for several machines: none of those gets a public address', () => {
    const error = thrownBy(() => parseTeam(team({ maxNodes: 2 })))
    expect(pathsOf(error, 'TEAM_INVALID')).toEqual(['capacity.0.maxNodes'])
    expect(error.issues[0]?.message).toMatch(/4 network cards.*set network\.kind to private/)
    expect(parseTeam(team({ maxNodes: 2 }, { network: { kind: 'private' } })).capacity).toHaveLength(1)
    expect(parseTeam(team({ instanceType: 'g5.48xlarge', maxNodes: 2 })).capacity).toHaveLength(1)
  })

  it('of Spot or on demand is priced by AWS, after it was found to fit too', () => {
    const { capacity, region } = parseTeam(team({ purchase: 'spot' }))
    const { fitting } = fittingCapacity(recipe(), 1e9, capacity, region)
    const because = fitting.map((option) => optionPrice(option, region).price.because)
    expect(because.join()).toContain("Spot's price moves")
    expect(because.join()).not.toContain('reservation')
  })

  it('of a reservation counts the list price, or the one of the team', () => {
    const priceOf = (option: object) => {
      const { capacity, region } = parseTeam(team(option))
      const { fitting } = fittingCapacity(recipe(), 1e9, capacity, region)
      const [first] = capacity
      if (!first) throw new Error('no option')
      return [fitting[0]?.priceUsdPerHour, optionPrice(fitting[0] ?? first, region).usdPerHour]
    }
    expect(priceOf(reserved)).toEqual([21.96, { low: 21.96, expected: 21.96, high: 21.96 }])
    const own = { ...reserved, reservation: { ...reserved.reservation, priceUsdPerHour: 12.5 } }
    expect(priceOf(own)).toEqual([12.5, { low: 12.5, expected: 12.5, high: 12.5 }])
  })
})

describe('the scratch disk', () => {
  const types: [string, InstanceType][] = Object.entries(INSTANCE_TYPES)

  it.each(types)('of %s holds two checkpoints of the largest model that its memory can train', (_, type) => {
    const wish = recipe({ resources: { gpus: type.gpu?.count ?? 0 } })
    const fits = (weights: number) => memoryFit(wish, weights, type).fits
    let weights = 1e6
    while (fits(weights * 1.05)) weights *= 1.05
    const checkpointGib = (weights * (type.gpu ? 16 : 12)) / 2 ** 30
    expect(scratchGib(type)).toBeGreaterThan(2 * checkpointGib)
  })

  it('is the instance store wherever a GPU machine has one', () => {
    const small = types.filter(([, type]) => type.gpu && instanceStoreGib(type) < scratchGib(type))
    expect(small).toEqual([])
  })
})
