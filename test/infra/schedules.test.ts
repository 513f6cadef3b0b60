import { describe, expect, it } from 'vitest'
import { everyCapacity, onlyResource, resourcesOf, synthesise } from '../support/stacks.ts'

const nightly = {
  name: 'nightly',
  expression: 'cron(0 2 * * ? *)',
  timeZone: 'Europe/London',
  jitterMinutes: 15,
  recipe: 'recipes/parrot.yaml',
}
const triggers = [{ model: 'dolly', recipe: 'recipes/parrot.yaml' }]
const { controlPlane, state } = synthesise({ ...everyCapacity, schedules: [nightly], triggers })
const [queue] = resourcesOf(controlPlane, 'AWS::SQS::Queue')[0] ?? []
const queueArn = { 'Fn::GetAtt': [queue, 'Arn'] }
const [fire] =
  resourcesOf(controlPlane, 'AWS::Lambda::Function').find(([id]) => id.startsWith('SchedulesFire')) ?? []
const functionArn = { 'Fn::GetAtt': [fire, 'Arn'] }

const statementsOf = (role: string) =>
  resourcesOf(controlPlane, 'AWS::IAM::Policy')
    .filter(([id]) => id.startsWith(role))
    .flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement)

describe('a schedule of the team file', () => {
  const { Properties } = onlyResource(controlPlane, 'AWS::Scheduler::Schedule')

  it('fires in its time zone, within its jitter, in the group of the team', () => {
    expect(Properties).toMatchObject({
      Name: 'nightly',
      GroupName: 'Roslin-speech-ControlPlane',
      ScheduleExpression: 'cron(0 2 * * ? *)',
      ScheduleExpressionTimezone: 'Europe/London',
      FlexibleTimeWindow: { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 15 },
      State: 'ENABLED',
    })
    expect(onlyResource(controlPlane, 'AWS::Scheduler::ScheduleGroup').Properties.Name).toBe(
      Properties.GroupName,
    )
  })

  it('calls one function, tries again for an hour, and leaves what it could not deliver in the dead-letter queue', () => {
    expect(Properties.Target).toMatchObject({
      Arn: functionArn,
      DeadLetterConfig: { Arn: queueArn },
      RetryPolicy: { MaximumEventAgeInSeconds: 3600 },
    })
    expect(JSON.parse(Properties.Target.Input).schedule.recipe.name).toBe('parrot')
  })
})

describe('the role of the schedules', () => {
  const [id, role] =
    resourcesOf(controlPlane, 'AWS::IAM::Role').find(([, { Properties }]) =>
      JSON.stringify(Properties.AssumeRolePolicyDocument).includes('scheduler.amazonaws.com'),
    ) ?? []

  it('is taken by schedules of the team’s group alone', () => {
    const [statement] = role?.Properties.AssumeRolePolicyDocument.Statement ?? []
    const { StringEquals } = statement.Condition
    expect(StringEquals['aws:SourceAccount']).toEqual({ Ref: 'AWS::AccountId' })
    expect(JSON.stringify(StringEquals['aws:SourceArn'])).toContain(
      ':schedule-group/Roslin-speech-ControlPlane',
    )
  })

  it('may call that function and write to that queue, and nothing else', () => {
    const statements = statementsOf(id?.replace(/[0-9A-F]{8}$/, 'DefaultPolicy') ?? '')
    expect(statements.map(({ Action, Resource }) => [Action, Resource])).toEqual([
      ['lambda:InvokeFunction', functionArn],
      [['sqs:GetQueueAttributes', 'sqs:GetQueueUrl', 'sqs:SendMessage'], queueArn],
    ])
  })

  it('is the only one that the API and the triggers may give a schedule', () => {
    const passing = resourcesOf(controlPlane, 'AWS::IAM::Policy').flatMap(([policy, { Properties }]) =>
      Properties.PolicyDocument.Statement.filter(
        ({ Action }: { Action: string }) => Action === 'iam:PassRole',
      ).map(({ Resource }: { Resource: unknown }) => [policy.replace(/Role.*/, ''), Resource]),
    )
    const given = passing.filter(([policy]) => /^(Api|Triggers)/.test(policy))
    expect(given.map(([policy]) => policy).sort()).toEqual([
      'ApiHandler',
      'TriggersModelRegistered',
      'TriggersObjectCreated',
    ])
    for (const [, resource] of given) expect(resource).toEqual({ 'Fn::GetAtt': [id, 'Arn'] })
  })
})

describe('the triggers', () => {
  const patterns = resourcesOf(controlPlane, 'AWS::Events::Rule').flatMap(
    ([, { Properties }]) => Properties.EventPattern ?? [],
  )

  it('hear of objects under incoming/ in the team’s bucket, which sends them to EventBridge', () => {
    const arrival = patterns.find(({ source }) => source.includes('aws.s3'))
    expect(arrival.detail.object).toEqual({ key: [{ prefix: 'incoming/' }] })
    expect(onlyResource(state, 'AWS::S3::Bucket').Properties.NotificationConfiguration).toEqual({
      EventBridgeConfiguration: { EventBridgeEnabled: true },
    })
  })

  it('write data only where versions of data sets lie', () => {
    const writing = statementsOf('TriggersObjectCreatedRole').filter(({ Action }) =>
      /s3:Put/.test(JSON.stringify(Action)),
    )
    expect(writing).toHaveLength(1)
    expect(JSON.stringify(writing[0].Resource)).toContain('/datasets/*')
  })

  it('hear of the models that recipes follow, and of no others', () => {
    const registered = patterns.find(({ detail }) => detail?.model)
    expect(registered.detail).toEqual({ team: ['speech'], status: ['succeeded'], model: { name: ['dolly'] } })
    const none = synthesise().controlPlane
    expect(
      resourcesOf(none, 'AWS::Lambda::Function').filter(([id]) => id.startsWith('TriggersModel')),
    ).toEqual([])
  })
})
