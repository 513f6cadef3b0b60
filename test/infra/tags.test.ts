import { describe, expect, it } from 'vitest'
import { type Resource, resourcesOf, synthesise } from '../support/stacks.ts'

const { state, controlPlane } = synthesise()
const all = [...resourcesOf(state), ...resourcesOf(controlPlane)]

/** Types that CloudFormation has no tags for, and whose resources belong to one that has. */
const UNTAGGABLE = [
  'AWS::ApiGatewayV2::Integration',
  'AWS::ApiGatewayV2::Route',
  'AWS::CloudWatch::Dashboard',
  'AWS::EC2::Route',
  'AWS::EC2::SubnetRouteTableAssociation',
  'AWS::EC2::VPCGatewayAttachment',
  'AWS::IAM::InstanceProfile',
  'AWS::IAM::ManagedPolicy',
  'AWS::IAM::Policy',
  'AWS::KMS::Alias',
  'AWS::Lambda::Alias',
  'AWS::Lambda::LayerVersion',
  'AWS::Lambda::Permission',
  'AWS::Lambda::Version',
  'AWS::Logs::QueryDefinition',
  'AWS::S3::BucketPolicy',
  'AWS::SNS::Subscription',
  'AWS::SNS::TopicPolicy',
  'AWS::SQS::QueuePolicy',
  'AWS::Scheduler::Schedule',
  'AWS::StepFunctions::StateMachineAlias',
  'AWS::StepFunctions::StateMachineVersion',
]

type Tags = readonly { readonly Key: string; readonly Value: string }[] | Readonly<Record<string, string>>

/** A template has tags as a list, or as a map; of a table they are its replicas'. */
function tagsOf({ Type, Properties }: Resource): Readonly<Record<string, string>> {
  const tags: Tags =
    (Type === 'AWS::DynamoDB::GlobalTable'
      ? Properties.Replicas[0].Tags
      : (Properties?.Tags ?? Properties?.TagSpecifications?.[0].Tags)) ?? {}
  return Array.isArray(tags)
    ? Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value]))
    : (tags as Record<string, string>)
}

describe('the bill can be divided: tags', () => {
  it.each(all.filter(([, { Type }]) => !UNTAGGABLE.includes(Type)))(
    'are on %s: its team, and the team’s own',
    (_, resource) => {
      expect(tagsOf(resource)).toMatchObject({ 'roslin:team': 'speech', 'cost-center': 'research' })
    },
  )

  it('are on the machines and disks that a compute environment starts', () => {
    const templates = all.filter(([, { Type }]) => Type === 'AWS::EC2::LaunchTemplate')
    expect(templates.length).toBeGreaterThan(0)
    for (const [, { Properties }] of templates) {
      const specifications: { ResourceType: string; Tags: unknown }[] =
        Properties.LaunchTemplateData.TagSpecifications
      expect(specifications.map(({ ResourceType }) => ResourceType).sort()).toEqual(['instance', 'volume'])
      for (const { Tags } of specifications)
        expect(Tags).toContainEqual({ Key: 'roslin:team', Value: 'speech' })
    }
  })

  it('are on every job: its team, recipe, run and step, and on the task that it becomes', () => {
    const machine = all.find(([, { Type }]) => Type === 'AWS::StepFunctions::StateMachine')?.[1]
    const definition = machine?.Properties.DefinitionString['Fn::Join'][1]
      .map((part: unknown) => (typeof part === 'string' ? part : 'REF'))
      .join('')
    const { States } = JSON.parse(definition)
    expect(States.Plan.Assign.recipe).toBe('{% $states.result.Payload.recipe %}')
    for (const [name, step] of [
      ['Prepare', 'prepare'],
      ['Train', 'train'],
      ['Evaluate', 'evaluate'],
    ] as const) {
      expect(States[name].Arguments).toMatchObject({
        PropagateTags: true,
        Tags: {
          'roslin:team': 'speech',
          'roslin:recipe': '{% $recipe %}',
          'roslin:run': '{% $states.context.Execution.Input.runId %}',
          'roslin:step': step,
        },
      })
    }
    for (const [, { Properties }] of all.filter(([, { Type }]) => Type === 'AWS::Batch::JobDefinition')) {
      expect(Properties.PropagateTags).toBe(true)
    }
  })
})

describe('logs', () => {
  it('are kept for as long as the team says, all of them, and are no resource that outlives their stack', () => {
    const groups = all.filter(([, { Type }]) => Type === 'AWS::Logs::LogGroup')
    expect(groups.length).toBeGreaterThan(10)
    for (const [, group] of groups) {
      expect(group.Properties.RetentionInDays).toBe(90)
      expect(group.DeletionPolicy).toBe('Delete')
    }
  })

  it('of functions go to a group of ours: none is made by Lambda, which would keep it for ever', () => {
    const functions = all.filter(([, { Type }]) => Type === 'AWS::Lambda::Function')
    for (const [, { Properties }] of functions)
      expect(Properties.LoggingConfig?.LogGroup).toHaveProperty('Ref')
  })
})

describe('traces', () => {
  it('are made by the functions and by the flow; an HTTP API cannot', () => {
    const machine = all.find(([, { Type }]) => Type === 'AWS::StepFunctions::StateMachine')?.[1]
    expect(machine?.Properties.TracingConfiguration).toEqual({ Enabled: true })
    const functions = all.filter(([, { Type }]) => Type === 'AWS::Lambda::Function')
    for (const [, { Properties }] of functions) expect(Properties.TracingConfig).toEqual({ Mode: 'Active' })
  })
})
