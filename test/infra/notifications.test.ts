import { describe, expect, it } from 'vitest'
import { everyCapacity, onlyResource, resourcesOf, synthesise } from '../support/stacks.ts'

const quiet = synthesise().controlPlane
const told = synthesise({
  ...everyCapacity,
  budget: { monthlyUsd: 5000 },
  notifications: { emails: ['flock@example.com'], webhookSecret: 'roslin/webhook' },
}).controlPlane
const rulesOf = (template: typeof told) =>
  resourcesOf(template, 'AWS::Events::Rule').filter(([id]) => id.startsWith('Notifications'))

describe('notifications', () => {
  it('go to a topic of the team, over TLS only, for each run that ends and each budget nearly spent', () => {
    const [[topic] = []] = resourcesOf(quiet, 'AWS::SNS::Topic')
    const [statement] = onlyResource(quiet, 'AWS::SNS::TopicPolicy').Properties.PolicyDocument.Statement
    expect(statement).toMatchObject({
      Effect: 'Deny',
      Condition: { Bool: { 'aws:SecureTransport': 'false' } },
    })
    const patterns = rulesOf(quiet).map(([, { Properties }]) => Properties.EventPattern)
    expect(patterns).toEqual([
      {
        source: ['roslin.run'],
        'detail-type': ['Roslin Run Status Change'],
        detail: { team: ['speech'], status: ['succeeded', 'failed', 'cancelled', 'budget-stopped'] },
      },
      {
        source: ['roslin.run'],
        'detail-type': ['Roslin Budget Notice'],
        detail: { team: ['speech'] },
      },
    ])
    for (const [, { Properties }] of rulesOf(quiet)) {
      expect(Properties.Targets).toMatchObject([{ Arn: { Ref: topic }, InputPath: '$.detail.summary' }])
    }
  })

  it('go to those who are named, and to nobody else', () => {
    expect(resourcesOf(quiet, 'AWS::SNS::Subscription')).toEqual([])
    expect(onlyResource(told, 'AWS::SNS::Subscription').Properties).toMatchObject({
      Protocol: 'email',
      Endpoint: 'flock@example.com',
    })
  })

  it("go to the team's webhook, whose URL the function alone may read, and the template does not have", () => {
    const webhooks = (template: typeof told) =>
      resourcesOf(template, 'AWS::Lambda::Function').filter(([id]) => id.startsWith('NotificationsWebhook'))
    expect(webhooks(quiet)).toEqual([])
    const [[id, webhook] = []] = webhooks(told)
    expect(webhook?.Properties.Environment.Variables).toMatchObject({ WEBHOOK_SECRET_NAME: 'roslin/webhook' })
    for (const [, { Properties }] of rulesOf(told)) {
      expect(Properties.Targets).toContainEqual(
        expect.objectContaining({ Arn: { 'Fn::GetAtt': [id, 'Arn'] }, DeadLetterConfig: expect.anything() }),
      )
    }
    const readers = resourcesOf(told, 'AWS::IAM::Policy').filter(([, { Properties }]) =>
      JSON.stringify(Properties.PolicyDocument).includes('secretsmanager:'),
    )
    expect(readers).toHaveLength(1)
    expect(JSON.stringify(readers[0]?.[1].Properties.PolicyDocument)).toContain('secret:roslin/webhook')
  })
})

describe("the team's budget", () => {
  it('is known to every function that reserves or announces, and to none where there is no limit', () => {
    const limits = (template: typeof told) =>
      resourcesOf(template, 'AWS::Lambda::Function').map(
        ([, { Properties }]) => Properties.Environment.Variables.MONTHLY_BUDGET_USD,
      )
    expect(new Set(limits(told))).toEqual(new Set(['5000']))
    expect(new Set(limits(quiet))).toEqual(new Set([undefined]))
  })
})

describe('the reconciler', () => {
  it('comes every five minutes, and may start, look at and end executions of the flow alone', () => {
    const [[, rule] = []] = resourcesOf(quiet, 'AWS::Events::Rule').filter(([id]) =>
      id.startsWith('Reconciler'),
    )
    expect(rule?.Properties.ScheduleExpression).toBe('rate(5 minutes)')
    const [[, policy] = []] = resourcesOf(quiet, 'AWS::IAM::Policy').filter(([id]) =>
      id.startsWith('Reconciler'),
    )
    const statements = policy?.Properties.PolicyDocument.Statement as { Action: unknown; Resource: unknown }[]
    const ofStates = statements.filter(({ Action }) => JSON.stringify(Action).includes('states:'))
    expect(ofStates.flatMap(({ Action }) => Action).sort()).toEqual([
      'states:DescribeExecution',
      'states:StartExecution',
      'states:StopExecution',
    ])
    for (const { Resource } of ofStates) expect(JSON.stringify(Resource)).toMatch(/FlowStateMachine|FlowLive/)
  })
})

describe("the table's stream", () => {
  it('is announced in order, bisected where one change cannot be, and never lost', () => {
    expect(onlyResource(quiet, 'AWS::Lambda::EventSourceMapping').Properties).toMatchObject({
      StartingPosition: 'TRIM_HORIZON',
      BisectBatchOnFunctionError: true,
      MaximumRetryAttempts: 20,
      DestinationConfig: { OnFailure: { Destination: expect.anything() } },
    })
  })
})
