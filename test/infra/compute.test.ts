import { describe, expect, it } from 'vitest'
import { everyCapacity, onlyResource, type Resource, resourcesOf, synthesise } from '../support/stacks.ts'

const { controlPlane } = synthesise()
const environments = resourcesOf(controlPlane, 'AWS::Batch::ComputeEnvironment').map(
  ([, resource]) => resource,
)
const ofType = (instanceType: string) =>
  environments
    .map(({ Properties }) => Properties.ComputeResources)
    .filter(({ InstanceTypes }) => InstanceTypes.includes(instanceType))

describe('compute', () => {
  it('is a queue and an environment for Prepare, and for each capacity option one of its own', () => {
    const queues = resourcesOf(controlPlane, 'AWS::Batch::JobQueue')
    expect(queues).toHaveLength(everyCapacity.capacity.length + 1)
    expect(environments).toHaveLength(everyCapacity.capacity.length + 1)
    for (const [, { Properties }] of queues) expect(Properties.ComputeEnvironmentOrder).toHaveLength(1)
  })

  it('scales to nothing while there is nothing to do', () => {
    const minima = environments.map(({ Properties }) => Properties.ComputeResources.MinvCpus)
    expect(minima).toEqual(environments.map(() => 0))
  })

  it('never waits for one type for ever, as BEST_FIT does', () => {
    const strategies = environments.map(({ Properties }) => Properties.ComputeResources)
    for (const { Type, AllocationStrategy } of strategies) {
      expect(AllocationStrategy).toBe(
        Type === 'SPOT' ? 'SPOT_PRICE_CAPACITY_OPTIMIZED' : 'BEST_FIT_PROGRESSIVE',
      )
    }
    expect(strategies.map(({ Type }) => Type).sort()).toEqual(['EC2', 'EC2', 'EC2', 'EC2', 'SPOT'])
  })

  it("has AWS's image for GPUs on p4d", () => {
    const images = ofType('p4d.24xlarge').map(({ Ec2Configuration }) => Ec2Configuration)
    expect(images).toEqual([[{ ImageType: 'ECS_AL2023_NVIDIA' }], [{ ImageType: 'ECS_AL2023_NVIDIA' }]])
  })

  it("has the team's own image on p3dn, which AWS has none for", () => {
    const [p3dn] = ofType('p3dn.24xlarge')
    expect(p3dn.Ec2Configuration).toEqual([
      { ImageType: 'ECS_AL2023_NVIDIA', ImageIdOverride: 'ami-0123456789abcdef0' },
    ])
  })

  it('has the plain image on machines without GPUs', () => {
    for (const { Ec2Configuration } of ofType('m7i.2xlarge')) {
      expect(Ec2Configuration).toEqual([{ ImageType: 'ECS_AL2023' }])
    }
  })

  it("ends a job that cannot start once it has waited as long as the team's option says", () => {
    const waits = resourcesOf(controlPlane, 'AWS::Batch::JobQueue').map(
      ([, { Properties }]) => Properties.JobStateTimeLimitActions,
    )
    for (const actions of waits) {
      expect(actions.length).toBeGreaterThan(0)
      // What Batch takes: only these bounds, this state, and the causes it can name.
      for (const { Action, State, MaxTimeSeconds } of actions) {
        expect([Action, State]).toEqual(['CANCEL', 'RUNNABLE'])
        expect(MaxTimeSeconds).toBeGreaterThanOrEqual(600)
        expect(MaxTimeSeconds).toBeLessThanOrEqual(86_400)
      }
    }
    expect(waits.map(([first]) => first.MaxTimeSeconds / 60)).toEqual([60, 15, 30, 60, 60])
  })

  it('is the same, by its logical ids, when the team puts its options in another order', () => {
    const { capacity } = everyCapacity
    const reordered = synthesise({ ...everyCapacity, capacity: capacity.toReversed() })
    const ids = (template: typeof controlPlane) =>
      resourcesOf(template, 'AWS::Batch::JobQueue').map(([id]) => id)
    expect(ids(reordered.controlPlane).sort()).toEqual(ids(controlPlane).sort())
  })

  it('is launched with IMDSv2 alone and an encrypted disk', () => {
    const templates = resourcesOf(controlPlane, 'AWS::EC2::LaunchTemplate')
    expect(templates.length).toBeGreaterThan(0)
    for (const [, { Properties }] of templates) {
      expect(Properties.LaunchTemplateData).toMatchObject({
        MetadataOptions: { HttpTokens: 'required' },
        BlockDeviceMappings: [{ Ebs: { Encrypted: true, VolumeType: 'gp3' } }],
      })
    }
    const launched = environments.map(({ Properties }) => Properties.ComputeResources.LaunchTemplate)
    expect(launched).not.toContain(undefined)
  })

  it('gives a container 120 s from SIGTERM to SIGKILL, which a checkpoint needs: in the MIME parts that Batch takes', () => {
    for (const [, { Properties }] of resourcesOf(controlPlane, 'AWS::EC2::LaunchTemplate')) {
      const userData = Properties.LaunchTemplateData.UserData['Fn::Base64']
      expect(userData).toMatch(/^Content-Type: multipart\/mixed; boundary="/)
      expect(userData).toContain('Content-Type: text/x-shellscript')
      expect(userData).toContain('echo ECS_CONTAINER_STOP_TIMEOUT=120s >> /etc/ecs/ecs.config')
    }
  })

  it('lets nothing in, and has no NAT gateway that costs while idle', () => {
    const groups = resourcesOf(controlPlane, 'AWS::EC2::SecurityGroup')
    expect(groups.map(([, { Properties }]) => Properties.SecurityGroupIngress)).toEqual(
      groups.map(() => undefined),
    )
    expect(resourcesOf(controlPlane, 'AWS::EC2::SecurityGroupIngress')).toEqual([])
    expect(resourcesOf(controlPlane, 'AWS::EC2::NatGateway')).toEqual([])
  })
})

describe('a job definition', () => {
  const definitions = resourcesOf(controlPlane, 'AWS::Batch::JobDefinition').map(
    ([id, resource]): [string, Resource] => [id, resource],
  )

  it('is there for each step that runs in a container', () => {
    const prefixes = definitions.map(
      ([, { Properties }]) =>
        Properties.ContainerProperties.LogConfiguration.Options['awslogs-stream-prefix'],
    )
    expect(prefixes).toEqual(['prepare', 'train', 'evaluate'])
  })

  it.each(definitions)('%s is started once: the flow decides what follows a failure', (_, { Properties }) => {
    expect(Properties.RetryStrategy).toEqual({ Attempts: 1 })
  })

  it.each(definitions)('%s keeps the revisions that plans under way hold', (_, { Properties }) => {
    expect(Properties.ResourceRetentionPolicy).toEqual({ SkipDeregisterOnUpdate: true })
  })

  it('has the shared memory and the limits that NCCL needs, on the steps that run on GPUs', () => {
    const [prepare, ...onGpus] = definitions.map(([, { Properties }]) => Properties.ContainerProperties)
    expect(onGpus).toHaveLength(2)
    for (const { LinuxParameters, Ulimits } of onGpus) {
      expect(LinuxParameters.SharedMemorySize).toBe(8192)
      expect(Ulimits).toEqual([
        { Name: 'memlock', SoftLimit: -1, HardLimit: -1 },
        { Name: 'stack', SoftLimit: 67_108_864, HardLimit: 67_108_864 },
        { Name: 'nofile', SoftLimit: 65_536, HardLimit: 65_536 },
      ])
    }
    expect(prepare.Ulimits).toBeUndefined()
  })

  it('writes its log where the API reads it', () => {
    const handler = resourcesOf(controlPlane, 'AWS::Lambda::Function').find(([id]) =>
      id.startsWith('ApiHandler'),
    )
    const { Options } = definitions[0]?.[1].Properties.ContainerProperties.LogConfiguration ?? {}
    expect(handler?.[1].Properties.Environment.Variables.JOB_LOG_GROUP_NAME).toEqual(Options['awslogs-group'])
    expect(onlyResource(controlPlane, 'AWS::ApiGatewayV2::Api')).toBeDefined()
  })
})
