import { describe, expect, it } from 'vitest'
import { everyCapacity, infoOf, resourcesOf, synthesise } from '../support/stacks.ts'

const zones = ['us-east-1a', 'us-east-1b']
const team = (capacity: readonly object[], overrides: object = {}) =>
  synthesise({ ...everyCapacity, network: { kind: 'public', zones }, capacity, ...overrides })

/** What Batch is told of the one option's machines, and the template that it starts them by. */
function machines({ controlPlane }: ReturnType<typeof team>, instanceType: string) {
  const environments = resourcesOf(controlPlane, 'AWS::Batch::ComputeEnvironment')
  const environment = environments.findLast(([, { Properties }]) =>
    Properties.ComputeResources.InstanceTypes.includes(instanceType),
  )
  const resources = environment?.[1].Properties.ComputeResources
  const templates = new Map(resourcesOf(controlPlane, 'AWS::EC2::LaunchTemplate'))
  const template = templates.get(resources?.LaunchTemplate.LaunchTemplateId.Ref)
  return { ...resources, launch: template?.Properties.LaunchTemplateData, environment: environment?.[1] }
}

describe('a Spot option', () => {
  it('starts machines only below the share of the list price that the team gives', () => {
    const capped = team([{ instanceType: 'p4d.24xlarge', purchase: 'spot', maxPricePercent: 60 }])
    expect(machines(capped, 'p4d.24xlarge')).toMatchObject({
      Type: 'SPOT',
      AllocationStrategy: 'SPOT_PRICE_CAPACITY_OPTIMIZED',
      BidPercentage: 60,
    })
  })
})

describe('a reserved option', () => {
  const reservation = { id: 'cr-0123456789abcdef0', zone: 'us-east-1b' }
  const option = { instanceType: 'p4d.24xlarge', purchase: 'reserved', reservation }
  const reserved = machines(team([option]), 'p4d.24xlarge')
  const block = machines(
    team([{ ...option, reservation: { ...reservation, kind: 'capacity-block' } }]),
    'p4d.24xlarge',
  )

  it("starts machines in the team's reservation alone", () => {
    expect(reserved.Type).toBe('EC2')
    expect(reserved.launch.CapacityReservationSpecification).toEqual({
      CapacityReservationTarget: { CapacityReservationId: 'cr-0123456789abcdef0' },
    })
    expect(reserved.launch.InstanceMarketOptions).toBeUndefined()
  })

  it('says of a Capacity Block what market it is of', () => {
    expect(block.launch.InstanceMarketOptions).toEqual({ MarketType: 'capacity-block' })
    expect(block.launch.CapacityReservationSpecification).toEqual(
      reserved.launch.CapacityReservationSpecification,
    )
  })

  it("starts them in the reservation's zone", () => {
    const { controlPlane } = team([option])
    const subnets = new Map(resourcesOf(controlPlane, 'AWS::EC2::Subnet'))
    const used = machines(team([option]), 'p4d.24xlarge').Subnets.map(
      ({ Ref }: { Ref: string }) => subnets.get(Ref)?.Properties.AvailabilityZone,
    )
    expect(used).toEqual(['us-east-1b'])
  })
})

describe('a machine that stays after its last job', () => {
  const patient = team([{ instanceType: 'p4d.24xlarge', scaleDownMinutes: 20 }])

  it('stays as long as the team says, and no longer than Batch does it by itself where it says nothing', () => {
    expect(machines(patient, 'p4d.24xlarge').ScalingPolicy).toEqual({ MinScaleDownDelayMinutes: 20 })
    const impatient = team([{ instanceType: 'p4d.24xlarge' }])
    expect(machines(impatient, 'p4d.24xlarge').ScalingPolicy).toBeUndefined()
  })

  it('has its cost said at synthesis', () => {
    expect(infoOf(patient)).toContain(
      'p4d.24xlarge on-demand stays 20 minutes after its last job: up to $7.32 each time, at $21.96 an hour.',
    )
  })
})

describe('a machine image of the team’s own', () => {
  it('is read from an SSM parameter at each deployment', () => {
    const parameter = '/roslin/speech/machine-image'
    const own = team([{ instanceType: 'p3dn.24xlarge', amiParameter: parameter }])
    const [{ ImageType, ImageIdOverride }] = machines(own, 'p3dn.24xlarge').Ec2Configuration
    expect(ImageType).toBe('ECS_AL2023_NVIDIA')
    expect(own.controlPlane.toJSON().Parameters[ImageIdOverride.Ref]).toEqual({
      Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>',
      Default: parameter,
    })
  })
})

describe('every machine', () => {
  const mixed = team([
    { instanceType: 'p4d.24xlarge' },
    { instanceType: 'm7i.2xlarge' },
    { instanceType: 'g5.xlarge', scratchGib: 300 },
  ])
  const rootGib = (type: string) => machines(mixed, type).launch.BlockDeviceMappings[0].Ebs.VolumeSize

  it('answers its metadata to containers, one hop further, and to nobody without a token', () => {
    for (const [, { Properties }] of resourcesOf(mixed.controlPlane, 'AWS::EC2::LaunchTemplate')) {
      expect(Properties.LaunchTemplateData.MetadataOptions).toEqual({
        HttpTokens: 'required',
        HttpPutResponseHopLimit: 2,
      })
    }
  })

  it('has room for scratch on its root volume only where its own disks are smaller than that', () => {
    expect(rootGib('p4d.24xlarge')).toBe(60)
    expect(rootGib('m7i.2xlarge')).toBe(60 + 80)
    expect(rootGib('g5.xlarge')).toBe(60 + 300)
  })

  it('makes its scratch folder when it starts, from parts that Batch takes', () => {
    const userData = machines(mixed, 'p4d.24xlarge').launch.UserData['Fn::Base64']
    expect(userData.match(/Content-Type: text\/x-shellscript/g)).toHaveLength(2)
    expect(userData).toContain('mkfs.xfs -K')
    // What EC2 takes, in base64.
    expect(Buffer.from(userData).toString('base64').length).toBeLessThan(16 * 1024)
  })

  it('gives its scratch folder to every job, which writes there', () => {
    for (const [, { Properties }] of resourcesOf(mixed.controlPlane, 'AWS::Batch::JobDefinition')) {
      const { Volumes, MountPoints, Environment } = Properties.ContainerProperties
      expect(Volumes).toEqual([{ Name: 'scratch', Host: { SourcePath: '/scratch' } }])
      expect(MountPoints).toEqual([
        expect.objectContaining({ ContainerPath: '/scratch', SourceVolume: 'scratch' }),
      ])
      expect(Environment).toContainEqual({ Name: 'ROSLIN_SCRATCH_DIR', Value: '/scratch' })
    }
  })

  it('is told of a changed template by its number, and finishes for six hours what it runs', () => {
    const { LaunchTemplate, environment } = machines(mixed, 'p4d.24xlarge')
    expect(LaunchTemplate.Version).toEqual({
      'Fn::GetAtt': [LaunchTemplate.LaunchTemplateId.Ref, 'LatestVersionNumber'],
    })
    expect(environment?.Properties.UpdatePolicy).toEqual({ JobExecutionTimeoutMinutes: 360 })
    expect(environment?.Properties.ReplaceComputeEnvironment).toBe(false)
  })
})

describe('an option for several machines', () => {
  const option = { instanceType: 'p4d.24xlarge', maxNodes: 4 }
  const together = team([option], { network: { kind: 'private', zones } })
  const { launch, PlacementGroup, SecurityGroupIds, Subnets } = machines(together, 'p4d.24xlarge')
  const [group] = launch.NetworkInterfaces[0].Groups

  it.each([
    ['p4d.24xlarge', 4],
    ['p5.48xlarge', 32],
    ['g5.48xlarge', 1],
  ])('has EFA on each network card of a %s: %i', (instanceType, cards) => {
    const { launch: of } = machines(
      team([{ instanceType, maxNodes: 2 }], { network: { kind: 'private' } }),
      instanceType,
    )
    expect(of.NetworkInterfaces).toHaveLength(cards)
  })

  it('has its cards where EC2 wants them, all in the group of the machines that work together', () => {
    const places = launch.NetworkInterfaces.map((card: Record<string, unknown>) => [
      card.NetworkCardIndex,
      card.DeviceIndex,
      card.InterfaceType,
    ])
    expect(places).toEqual([
      [0, 0, 'efa'],
      [1, 1, 'efa'],
      [2, 1, 'efa'],
      [3, 1, 'efa'],
    ])
    for (const { Groups, AssociatePublicIpAddress } of launch.NetworkInterfaces) {
      expect(Groups).toEqual([group])
      expect(AssociatePublicIpAddress).toBeUndefined()
    }
    // Batch takes them in one of the two places.
    expect(SecurityGroupIds).toBeUndefined()
  })

  it('has its machines in one placement group and one zone', () => {
    const [id, placement] = resourcesOf(together.controlPlane, 'AWS::EC2::PlacementGroup')[0] ?? []
    expect(placement?.Properties.Strategy).toBe('cluster')
    expect(JSON.stringify(PlacementGroup)).toContain(`"${id}"`)
    expect(Subnets).toHaveLength(1)
  })

  it('lets in and out to each other all traffic, and nothing else in', () => {
    const itself = { 'Fn::GetAtt': [group['Fn::GetAtt'][0], 'GroupId'] }
    const rules = resourcesOf(together.controlPlane, 'AWS::EC2::SecurityGroupIngress')
    expect(rules.map(([, { Properties }]) => Properties)).toEqual([
      expect.objectContaining({ GroupId: itself, SourceSecurityGroupId: itself, IpProtocol: '-1' }),
    ])
    const out = resourcesOf(together.controlPlane, 'AWS::EC2::SecurityGroupEgress')
    expect(out.map(([, { Properties }]) => Properties)).toEqual([
      expect.objectContaining({ GroupId: itself, DestinationSecurityGroupId: itself, IpProtocol: '-1' }),
    ])
    for (const [, { Properties }] of resourcesOf(together.controlPlane, 'AWS::EC2::SecurityGroup')) {
      expect(Properties.SecurityGroupIngress).toBeUndefined()
    }
  })

  it('has no EFA where the type has none', () => {
    const {
      launch: of,
      PlacementGroup: near,
      SecurityGroupIds: groups,
    } = machines(team([{ instanceType: 'm7i.2xlarge', maxNodes: 2 }]), 'm7i.2xlarge')
    expect(of.NetworkInterfaces).toBeUndefined()
    expect(groups).toHaveLength(1)
    expect(near).toBeDefined()
  })
})
