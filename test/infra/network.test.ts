import { describe, expect, it } from 'vitest'
import { everyCapacity, infoOf, resourcesOf, type Synthesised, synthesise } from '../support/stacks.ts'

const withNetwork = (network: object) => synthesise({ ...everyCapacity, network })
const names = ['us-east-1a', 'us-east-1b']
const all = {
  public: withNetwork({ kind: 'public', zones: 3 }),
  nat: withNetwork({ kind: 'private', zones: names }),
  endpoints: withNetwork({ kind: 'private', egress: 'endpoints', zones: names, flowLogs: true }),
  existing: withNetwork({
    kind: 'existing',
    vpcId: 'vpc-0123456789abcdef0',
    subnets: [
      { id: 'subnet-0aaaaaaaaaaaaaaaa', zone: 'us-east-1a' },
      { id: 'subnet-0bbbbbbbbbbbbbbbb', zone: 'us-east-1b' },
    ],
    securityGroupIds: ['sg-0123456789abcdef0'],
  }),
}
const count = ({ controlPlane }: Synthesised, type: string) => resourcesOf(controlPlane, type).length
const endpointsOf = ({ controlPlane }: Synthesised, kind: string) =>
  resourcesOf(controlPlane, 'AWS::EC2::VPCEndpoint')
    .filter(([, { Properties }]) => Properties.VpcEndpointType === kind)
    .map(([, { Properties }]) => JSON.stringify(Properties.ServiceName))
const cidrsOf = ({ controlPlane }: Synthesised) =>
  resourcesOf(controlPlane, 'AWS::EC2::Subnet').map(([, { Properties }]) => Properties.CidrBlock)

describe('a public network', () => {
  it('has a subnet in each zone, and nothing that costs while idle', () => {
    expect(count(all.public, 'AWS::EC2::Subnet')).toBe(3)
    expect(count(all.public, 'AWS::EC2::NatGateway')).toBe(0)
    expect(endpointsOf(all.public, 'Interface')).toEqual([])
    expect(infoOf(all.public)).toMatch(/public network costs \$0\.00 a month at rest/)
  })

  it('keeps the addresses of its subnets when zones are added', () => {
    const six = withNetwork({ kind: 'public', zones: 6 })
    expect(cidrsOf(six).slice(0, 3)).toEqual(cidrsOf(all.public))
  })
})

describe('a private network', () => {
  it('starts machines in subnets without public addresses', () => {
    for (const synthesised of [all.nat, all.endpoints]) {
      const subnets = new Map(resourcesOf(synthesised.controlPlane, 'AWS::EC2::Subnet'))
      for (const [, { Properties }] of resourcesOf(
        synthesised.controlPlane,
        'AWS::Batch::ComputeEnvironment',
      )) {
        const used = Properties.ComputeResources.Subnets.map(({ Ref }: { Ref: string }) => subnets.get(Ref))
        expect(used).toHaveLength(2)
        for (const subnet of used) expect(subnet.Properties.MapPublicIpOnLaunch).toBe(false)
      }
    }
  })

  it('has one NAT gateway, and says what it costs', () => {
    expect(count(all.nat, 'AWS::EC2::NatGateway')).toBe(1)
    expect(infoOf(all.nat)).toMatch(/private network costs \$36\.50 a month at rest: one NAT gateway/)
  })

  it('by endpoints reaches what a run needs and nothing else, and says what they cost', () => {
    expect(count(all.endpoints, 'AWS::EC2::NatGateway')).toBe(0)
    expect(count(all.endpoints, 'AWS::EC2::InternetGateway')).toBe(0)
    const services = endpointsOf(all.endpoints, 'Interface')
      .map((name) => /\.((ecs|ecr|logs|secretsmanager|ec2)[\w.-]*)"/.exec(name)?.[1])
      .sort()
    expect(services).toEqual([
      'ec2',
      'ecr.api',
      'ecr.dkr',
      'ecs',
      'ecs-agent',
      'ecs-telemetry',
      'logs',
      'secretsmanager',
    ])
    expect(infoOf(all.endpoints)).toMatch(/costs \$116\.80 a month at rest: 8 interface endpoints in 2 zones/)
  })

  it('lets its own machines alone call its endpoints', () => {
    const groups = resourcesOf(all.endpoints.controlPlane, 'AWS::EC2::SecurityGroup').flatMap(
      ([, { Properties }]) => Properties.SecurityGroupIngress ?? [],
    )
    expect(groups).toEqual([
      expect.objectContaining({ CidrIp: '10.0.0.0/16', IpProtocol: 'tcp', FromPort: 443, ToPort: 443 }),
    ])
  })

  it('keeps the addresses of the public subnets that it may have had before', () => {
    expect(cidrsOf(all.nat).slice(0, 2)).toEqual(cidrsOf(all.public).slice(0, 2))
    expect(cidrsOf(all.endpoints)).toEqual(cidrsOf(all.nat).slice(2))
  })

  it('logs its connections where the team wants that', () => {
    expect(count(all.endpoints, 'AWS::EC2::FlowLog')).toBe(1)
    expect(count(all.nat, 'AWS::EC2::FlowLog')).toBe(0)
  })
})

describe('every network of its own', () => {
  it.each(['public', 'nat', 'endpoints'] as const)('%s reaches S3 and DynamoDB by gateways', (kind) => {
    expect(endpointsOf(all[kind], 'Gateway')).toHaveLength(2)
  })
})

describe('an existing network', () => {
  it("starts machines in the team's subnets and groups, and makes none", () => {
    for (const type of ['AWS::EC2::VPC', 'AWS::EC2::Subnet', 'AWS::EC2::SecurityGroup']) {
      expect(count(all.existing, type)).toBe(0)
    }
    const environments = resourcesOf(all.existing.controlPlane, 'AWS::Batch::ComputeEnvironment')
    for (const [, { Properties }] of environments) {
      expect(Properties.ComputeResources).toMatchObject({
        Subnets: ['subnet-0aaaaaaaaaaaaaaaa', 'subnet-0bbbbbbbbbbbbbbbb'],
        SecurityGroupIds: ['sg-0123456789abcdef0'],
      })
    }
  })
})
