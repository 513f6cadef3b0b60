import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { networkCost } from '../../core/network-cost.ts'
import { costAtRest } from '../../infra/cost/at-rest.ts'
import { formatCost } from '../../infra/cost/format.ts'
import { firingsPerMonth } from '../../infra/cost/invocations.ts'
import type { Resources } from '../../infra/cost/template.ts'
import { root } from '../support/checked-in.ts'
import { synthesise } from '../support/stacks.ts'
import { thrownBy } from '../support/thrown.ts'

/** What a team has that gives no more than it must: the image is built, and everything that has a default has it. */
const defaultTeam = {
  name: 'speech',
  region: 'us-east-1',
  capacity: [{ instanceType: 'p4d.24xlarge' }, { instanceType: 'm7i.2xlarge' }],
}
/** The most that a team may cost at rest. */
const MOST_USD = 3

function costOf(team: Readonly<Record<string, unknown>>) {
  const { outdir } = synthesise(team)
  const read = (pattern: string) =>
    globSync(pattern, { cwd: outdir }).map((file) => JSON.parse(readFileSync(join(outdir, file), 'utf8')))
  const resources: Resources = Object.assign({}, ...read('*.template.json').map(({ Resources }) => Resources))
  const images = read('*.assets.json').flatMap(({ dockerImages = {} }) => Object.keys(dockerImages))
  return costAtRest(resources, images.length)
}

const cost = costOf(defaultTeam)

describe('the default team at rest', () => {
  it('costs at most $3 a month in an account that has its three free dashboards left', () => {
    expect(cost.afterAlwaysFreeUsd).toBeLessThanOrEqual(MOST_USD)
    expect(cost.afterAlwaysFreeUsd).toBeGreaterThan(0)
  })

  it('costs at most $3 a month at list price without its dashboard, which alone is $3 there', () => {
    const { listUsd, items } = costOf({ ...defaultTeam, dashboard: false })
    expect(listUsd).toBeLessThanOrEqual(MOST_USD)
    expect(items.filter(({ price }) => price === 'alarm')).toHaveLength(7)
    expect(cost.listUsd).toBeCloseTo(listUsd + 3)
  })

  it('pays for the two functions that the clock calls every five minutes', () => {
    const requests = cost.items.filter(({ price }) => price === 'lambdaRequest')
    expect(requests.map(({ quantity }) => quantity)).toEqual([8760, 8760])
    const time = cost.items.filter(({ price }) => price === 'lambdaGiBSecond')
    // 512 MiB and 2 GiB, half a second each.
    expect(time.map(({ quantity }) => quantity).sort((a, b) => a - b)).toEqual([2190, 8760])
  })

  it('pays for its image, unless that is someone else’s', () => {
    expect(cost.items.filter(({ price }) => price === 'imageGiB')).toHaveLength(1)
    const prebuilt = costOf({ ...defaultTeam, trainerImage: `trainer@sha256:${'0'.repeat(64)}` })
    expect(prebuilt.items.filter(({ price }) => price === 'imageGiB')).toEqual([])
  })
})

describe('a cost at rest', () => {
  const usd = (resources: Resources) => costAtRest(resources, 0).listUsd

  it('of private subnets is that of the gateway and its address, and of an endpoint that of its zones', () => {
    expect(
      usd({
        Gateway: { Type: 'AWS::EC2::NatGateway' },
        Address: { Type: 'AWS::EC2::EIP' },
        Batch: {
          Type: 'AWS::EC2::VPCEndpoint',
          Properties: { VpcEndpointType: 'Interface', SubnetIds: ['a', 'b'] },
        },
        S3: { Type: 'AWS::EC2::VPCEndpoint', Properties: { VpcEndpointType: 'Gateway' } },
      }),
    ).toBeCloseTo(32.85 + 3.65 + 2 * 7.3)
  })

  it('of an alarm is that of each metric it watches', () => {
    const metric = (Id: string) => ({ Id, MetricStat: {} })
    const Metrics = [{ Id: 'ratio', Expression: 'a / b' }, metric('a'), metric('b')]
    expect(usd({ Alarm: { Type: 'AWS::CloudWatch::Alarm', Properties: { Metrics } } })).toBeCloseTo(0.2)
    expect(usd({ Alarm: { Type: 'AWS::CloudWatch::Alarm', Properties: { MetricName: 'a' } } })).toBeCloseTo(
      0.1,
    )
  })

  it('leaves out what every account has free, and no more', () => {
    const dashboards = (count: number): Resources =>
      Object.fromEntries(
        Array.from({ length: count }, (_, n) => [`${n}`, { Type: 'AWS::CloudWatch::Dashboard' }]),
      )
    expect(costAtRest(dashboards(3), 0)).toMatchObject({ listUsd: 9, afterAlwaysFreeUsd: 0 })
    expect(costAtRest(dashboards(4), 0)).toMatchObject({ listUsd: 12, afterAlwaysFreeUsd: 3 })
  })

  it('counts a paused schedule for nothing, and another by its times', () => {
    const schedule = (State: string): Resources => ({
      Nightly: {
        Type: 'AWS::Scheduler::Schedule',
        Properties: { ScheduleExpression: 'cron(0 2 * * ? *)', State, Target: { Arn: { Ref: 'Gone' } } },
      },
    })
    expect(costAtRest(schedule('DISABLED'), 0).items).toEqual([])
    expect(costAtRest(schedule('ENABLED'), 0).items).toMatchObject([{ price: 'schedulerCall', quantity: 31 }])
    expect(firingsPerMonth('rate(1 hour)')).toBe(730)
  })

  it('is refused for a type that nobody has looked up, by its name, and for machines that stay', () => {
    const unknown = thrownBy(() => usd({ Cluster: { Type: 'AWS::RDS::DBCluster' } }))
    expect(unknown).toMatchObject({ code: 'RESOURCE_UNPRICED' })
    expect(unknown.message).toContain('AWS::RDS::DBCluster')
    const warm = thrownBy(() =>
      usd({
        Gpus: {
          Type: 'AWS::Batch::ComputeEnvironment',
          Properties: { ComputeResources: { MinvCpus: 96 } },
        },
      }),
    )
    expect(warm.message).toContain('96')
  })

  it('is printed item by item, with each price and its source, and both totals', () => {
    const text = formatCost('speech', cost)
    expect(text).toMatch(/8760 calls of ReconcilerHandler\w+, 512 MiB for 0.5 s/)
    expect(text).toContain('[https://aws.amazon.com/lambda/pricing/]')
    expect(text).toContain(`$${cost.listUsd.toFixed(3)}  a month at list price`)
    expect(text).toContain(`$${cost.afterAlwaysFreeUsd.toFixed(3)}  a month after`)
  })
})

describe('a team with everything', () => {
  const full = costOf({
    ...defaultTeam,
    network: { kind: 'private', zones: ['us-east-1a', 'us-east-1b'], flowLogs: true },
    machineImage: {},
    notifications: { webhookSecret: 'roslin/webhook' },
    budget: { monthlyUsd: 5000 },
  })
  const usdOf = (...prices: string[]) =>
    full.items
      .filter(({ price }) => prices.includes(price))
      .reduce((sum, { usdPerMonth }) => sum + usdPerMonth, 0)

  it('has nothing that is not priced, and pays for its network what synthesis says of it', () => {
    const { usdPerMonth } = networkCost({ kind: 'private', egress: 'nat', zones: 2, flowLogs: true }, 2, 0)
    expect(usdOf('natGateway', 'publicIp')).toBeCloseTo(usdPerMonth)
  })

  it('pays for the machine images that are kept, and for the machine that builds them each week', () => {
    expect(usdOf('snapshotGiB')).toBeCloseTo(6)
    expect(usdOf('buildGpuHour')).toBeCloseTo(26.59)
  })
})

describe('npm run cost', () => {
  it('says what to give where it is given no team', () => {
    const { status, stderr } = spawnSync(process.execPath, ['infra/cost/main.ts'], {
      cwd: root,
      encoding: 'utf8',
    })
    expect(status).toBe(1)
    expect(stderr).toContain('Give one with -c team=<name>')
  })
})
