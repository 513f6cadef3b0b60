import { App, Stack } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Bucket } from 'aws-cdk-lib/aws-s3'
import { describe, expect, it } from 'vitest'
import { Jobs } from '../../infra/constructs/jobs.ts'
import { capacityOption } from '../support/recipes.ts'
import { everyCapacity, type Resource, resourcesOf, synthesise } from '../support/stacks.ts'

const options = [
  capacityOption('p4d.24xlarge', { purchase: 'spot' }),
  capacityOption('p4d.24xlarge', { maxNodes: 4 }),
  capacityOption('m7i.2xlarge', { maxNodes: 2 }),
]

function jobs(): Template {
  const stack = new Stack(new App(), 'Stack')
  const bucket = new Bucket(stack, 'Bucket')
  new Jobs(stack, 'Jobs', {
    bucket,
    trainerImage: 'trainer:1',
    secrets: {},
    logRetentionDays: RetentionDays.ONE_WEEK,
    capacity: options,
  })
  return Template.fromStack(stack)
}

const definitions = resourcesOf(jobs(), 'AWS::Batch::JobDefinition').map(([, { Properties }]) => Properties)
const multiNode = definitions.filter(({ Type }) => Type === 'multinode')
const containerOf = ({ NodeProperties }: Resource['Properties']) =>
  NodeProperties.NodeRangeProperties[0].Container

describe('a job definition of several nodes', () => {
  it('is there for each capacity option that has them, with its instance type', () => {
    expect(multiNode.map((definition) => containerOf(definition).InstanceType)).toEqual([
      'p4d.24xlarge',
      'm7i.2xlarge',
    ])
  })

  it('has one range that is open at its end, so that a job may say how many nodes it has', () => {
    for (const { NodeProperties, PlatformCapabilities } of multiNode) {
      expect(NodeProperties).toMatchObject({ MainNode: 0, NodeRangeProperties: [{ TargetNodes: '0:' }] })
      expect(PlatformCapabilities).toEqual(['EC2'])
    }
    expect(multiNode.map(({ NodeProperties }) => NodeProperties.NumNodes)).toEqual([4, 2])
  })

  it('has the container of training on one machine: its image, roles, limits, memory and log', () => {
    const train = definitions.find(
      ({ ContainerProperties }) =>
        ContainerProperties?.LogConfiguration.Options['awslogs-stream-prefix'] === 'train',
    )
    for (const definition of multiNode) {
      const { InstanceType: _, LinuxParameters: linux, ...container } = containerOf(definition)
      const { LinuxParameters, ...alone } = train?.ContainerProperties ?? {}
      expect(container).toEqual(alone)
      expect(linux).toMatchObject(LinuxParameters)
      expect(container.Ulimits).toContainEqual({ Name: 'memlock', SoftLimit: -1, HardLimit: -1 })
    }
  })

  it('maps a device for each network card that has EFA', () => {
    const [p4d, m7i] = multiNode.map((definition) => containerOf(definition).LinuxParameters.Devices)
    expect(p4d).toEqual(
      [0, 1, 2, 3].map((card) => ({
        HostPath: `/dev/infiniband/uverbs${card}`,
        ContainerPath: `/dev/infiniband/uverbs${card}`,
      })),
    )
    expect(m7i ?? []).toEqual([])
  })

  it('is started once, and keeps the revisions that plans under way hold', () => {
    for (const definition of multiNode) {
      expect(definition).toMatchObject({
        RetryStrategy: { Attempts: 1 },
        PropagateTags: true,
        ResourceRetentionPolicy: { SkipDeregisterOnUpdate: true },
      })
    }
  })
})

describe('a team with an option of several nodes', () => {
  const { controlPlane } = synthesise({
    ...everyCapacity,
    capacity: [{ instanceType: 'm7i.2xlarge', maxNodes: 2 }, { instanceType: 'g5.xlarge' }],
  })
  const [definition] = resourcesOf(controlPlane, 'AWS::Batch::JobDefinition').filter(
    ([, { Properties }]) => Properties.Type === 'multinode',
  )

  it('tells the functions that plan which definition is whose', () => {
    const [, plan] =
      resourcesOf(controlPlane, 'AWS::Lambda::Function').find(([id]) => id.startsWith('FlowPlan')) ?? []
    const names = plan?.Properties.Environment.Variables.MULTI_NODE_JOB_DEFINITION_NAMES['Fn::Join'][1]
    const name = { 'Fn::Select': [1, { 'Fn::Split': ['/', { Ref: definition?.[0] }] }] }
    expect(names).toEqual(['["', name, '",null]'])
  })

  it('lets as many machines start as one job may need', () => {
    const few = synthesise({
      ...everyCapacity,
      maxVcpus: 2,
      capacity: [{ instanceType: 'm7i.2xlarge', maxNodes: 2 }],
    }).controlPlane
    const limits = (template: Template) =>
      resourcesOf(template, 'AWS::Batch::ComputeEnvironment')
        .map(([, { Properties }]) => Properties.ComputeResources)
        .filter(({ InstanceTypes }) => InstanceTypes.length === 1)
        .map(({ MaxvCpus }) => MaxvCpus)
    expect(limits(controlPlane)).toEqual([192, 192])
    expect(limits(few)).toEqual([16])
  })

  it('lets its flow submit jobs of it, in whatever revision', () => {
    const [, policy] =
      resourcesOf(controlPlane, 'AWS::IAM::Policy').find(([id]) => id.startsWith('FlowStateMachineRole')) ??
      []
    const submit = policy?.Properties.PolicyDocument.Statement.find(({ Action }: { Action: string[] }) =>
      Action.includes('batch:SubmitJob'),
    )
    expect(JSON.stringify(submit.Resource)).toContain(definition?.[0])
  })
})
