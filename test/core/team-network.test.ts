import { describe, expect, it } from 'vitest'
import { networkCost } from '../../core/network-cost.ts'
import { parseTeam } from '../../core/team.ts'
import { pathsOf, thrownBy } from '../support/thrown.ts'

const team = (network: object) => ({
  name: 'speech',
  region: 'us-east-1',
  capacity: [{ instanceType: 'm7i.large' }],
  network,
})
const existing = {
  kind: 'existing',
  vpcId: 'vpc-0123456789abcdef0',
  subnets: [{ id: 'subnet-0123456789abcdef0', zone: 'us-east-1a' }],
}

describe('a team’s network', () => {
  it.each([
    { kind: 'public', zones: 6 },
    { kind: 'private', egress: 'endpoints', zones: ['us-east-1a', 'us-east-1d'], flowLogs: true },
    { ...existing, securityGroupIds: ['sg-0123456789abcdef0'] },
  ])('can be %j', (network) => {
    expect(parseTeam(team(network)).network).toMatchObject(network)
  })

  it.each([
    ['network.kind', { kind: 'open' }],
    ['network.zones', { kind: 'public', zones: 7 }],
    ['network', { kind: 'public', zones: ['eu-west-1a'] }],
    ['network.egress', { kind: 'public', egress: 'nat' }],
    ['network.vpcId', { ...existing, vpcId: 'my-vpc' }],
    ['network.subnets', { ...existing, subnets: [] }],
    ['network.subnets.0.id', { ...existing, subnets: [{ id: 'vpc-1', zone: 'us-east-1a' }] }],
    ['network.securityGroupIds.0', { ...existing, securityGroupIds: ['default'] }],
  ])('is refused for %s: %j', (path, network) => {
    expect(
      pathsOf(
        thrownBy(() => parseTeam(team(network))),
        'TEAM_INVALID',
      ),
    ).toEqual([path])
  })
})

describe('what a network costs at rest', () => {
  const costOf = (network: object) => {
    const cost = networkCost(parseTeam(team(network)).network, 2, 8)
    return Math.round(cost.usdPerMonth * 100) / 100
  }

  it('is nothing for a public or an existing one', () => {
    expect(costOf({ kind: 'public' })).toBe(0)
    expect(costOf(existing)).toBe(0)
  })

  it('is a NAT gateway and its address', () => {
    expect(costOf({ kind: 'private' })).toBe(36.5)
  })

  it('is each endpoint in each zone', () => {
    expect(costOf({ kind: 'private', egress: 'endpoints' })).toBe(116.8)
  })
})
