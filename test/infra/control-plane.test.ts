import { describe, expect, it } from 'vitest'
import { everyCapacity, resourcesOf, synthesise } from '../support/stacks.ts'

const { controlPlane, state } = synthesise()
const functions = resourcesOf(controlPlane, 'AWS::Lambda::Function')

describe('the API', () => {
  it('answers no request that is not signed', () => {
    const routes = resourcesOf(controlPlane, 'AWS::ApiGatewayV2::Route')
    expect(routes.map(([, { Properties }]) => Properties.RouteKey).sort()).toEqual([
      'DELETE /v1/{proxy+}',
      'GET /v1/{proxy+}',
      'POST /v1/{proxy+}',
      'PUT /v1/{proxy+}',
    ])
    for (const [, { Properties }] of routes) expect(Properties.AuthorizationType).toBe('AWS_IAM')
  })

  it('logs who asked for what, and takes no more requests than it can answer', () => {
    controlPlane.hasResourceProperties('AWS::ApiGatewayV2::Stage', {
      DefaultRouteSettings: { ThrottlingRateLimit: 50, ThrottlingBurstLimit: 100 },
    })
    const [, stage] = resourcesOf(controlPlane, 'AWS::ApiGatewayV2::Stage')[0] ?? []
    expect(Object.keys(JSON.parse(stage?.Properties.AccessLogSettings.Format))).toContain('caller')
  })
})

describe('events', () => {
  const rules = resourcesOf(controlPlane, 'AWS::Events::Rule')
  const queueArn = { 'Fn::GetAtt': [resourcesOf(controlPlane, 'AWS::SQS::Queue')[0]?.[0], 'Arn'] }

  it('that cannot be delivered wait in the dead-letter queue', () => {
    const delivering = rules.filter(([id]) => !id.startsWith('Reconciler'))
    expect(delivering).toHaveLength(7)
    for (const [, { Properties }] of delivering) {
      for (const target of Properties.Targets) {
        expect(target.DeadLetterConfig).toEqual({ Arn: queueArn })
        expect(target.RetryPolicy.MaximumRetryAttempts).toBeGreaterThan(0)
      }
    }
  })

  it('that a function could not take in wait there too', () => {
    const handlers = functions.filter(([id]) =>
      /^(Events(BatchJob|Execution)|Reconciler|SchedulesFire|Triggers)/.test(id),
    )
    expect(handlers).toHaveLength(5)
    for (const [, { Properties }] of handlers)
      expect(Properties.DeadLetterConfig).toEqual({ TargetArn: queueArn })
  })

  it("are those of the team's own queues and flow", () => {
    const patterns = rules.flatMap(([, { Properties }]) => Properties.EventPattern ?? [])
    const batch = patterns.find(({ source }) => source.includes('aws.batch'))
    const queues = resourcesOf(controlPlane, 'AWS::Batch::JobQueue').map(([id]) => ({
      'Fn::GetAtt': [id, 'JobQueueArn'],
    }))
    expect(batch.detail.jobQueue).toEqual(queues)
    const execution = patterns.find(({ source }) => source.includes('aws.states'))
    const [machine] = resourcesOf(controlPlane, 'AWS::StepFunctions::StateMachine')[0] ?? []
    expect(execution.detail).toEqual({
      stateMachineArn: [{ Ref: machine }],
      status: ['FAILED', 'TIMED_OUT', 'ABORTED'],
    })
  })
})

describe('the functions', () => {
  it.each(functions)(
    '%s runs on Node.js 24, traced, with a log that does not stay for ever',
    (_, { Properties }) => {
      expect(Properties).toMatchObject({ Runtime: 'nodejs24.x', TracingConfig: { Mode: 'Active' } })
      const group = Properties.LoggingConfig.LogGroup.Ref
      const logs = resourcesOf(controlPlane, 'AWS::Logs::LogGroup').find(([id]) => id === group)
      expect(logs?.[1].Properties.RetentionInDays).toBe(90)
    },
  )

  it.each(functions)('%s has no secret in its environment', (_, { Properties }) => {
    const { Variables } = Properties.Environment
    expect(
      Object.keys(Variables).filter((name) => /SECRET|TOKEN|PASSWORD|CREDENTIAL|PRIVATE|_KEY$/i.test(name)),
    ).toEqual([])
    expect(JSON.stringify(Variables)).not.toMatch(/AKIA[0-9A-Z]{16}|BEGIN [A-Z ]*PRIVATE KEY/)
  })

  it.each(functions)('%s is told everything that its code reads', (_, { Properties }) => {
    const names = [
      'TEAM',
      'TABLE_NAME',
      'BUCKET_NAME',
      'CPU_JOB_QUEUE_ARN',
      'JOB_DEFINITION_ARNS',
      'JOB_QUEUE_NAMES',
      'MULTI_NODE_JOB_DEFINITION_NAMES',
    ]
    expect(Object.keys(Properties.Environment.Variables)).toEqual(
      expect.arrayContaining([...names, 'CODE_VERSION', 'TRAINER_IMAGE']),
    )
  })

  it('keep logs as long as the team wants', () => {
    const week = synthesise({ ...everyCapacity, logRetentionDays: 7 })
    const days = resourcesOf(week.controlPlane, 'AWS::Logs::LogGroup').map(
      ([, { Properties }]) => Properties.RetentionInDays,
    )
    expect(new Set(days)).toEqual(new Set([7]))
  })
})

describe('two teams in one account', () => {
  /** Names that need to be unique only within what they belong to. */
  const SCOPED = [
    'AWS::IAM::Policy PolicyName',
    'AWS::StepFunctions::StateMachineAlias Name',
    'AWS::ApiGatewayV2::Stage StageName',
    'AWS::Scheduler::Schedule Name',
  ]

  /** The names that a template gives its resources itself, and those of its exports. */
  function physicalNames(...templates: readonly (typeof state)[]): string[] {
    return templates.flatMap((template) => [
      ...resourcesOf(template).flatMap(([, { Type, Properties }]) =>
        Object.entries(Properties ?? {})
          .filter(([key, value]) => /Name$/.test(key) && typeof value === 'string')
          .filter(([key]) => !SCOPED.includes(`${Type} ${key}`))
          // A VPC endpoint's is the name of AWS's service, and an alarm's that of what it watches.
          .filter(([key]) => key !== 'ServiceName' && key !== 'MetricName')
          .map(([, value]) => `${Type} ${value}`),
      ),
      ...Object.values<{ Export?: { Name: string } }>(template.toJSON().Outputs ?? {}).flatMap(
        ({ Export }) => (Export ? [`export ${Export.Name}`] : []),
      ),
    ])
  }

  it('have no physical name in common', () => {
    const other = synthesise({ ...everyCapacity, name: 'vision' })
    const ours = physicalNames(state, controlPlane)
    const theirs = physicalNames(other.state, other.controlPlane)
    expect(ours.length).toBeGreaterThan(0)
    expect(ours.filter((name) => theirs.includes(name))).toEqual([])
  })

  it('are told apart on the bill: everything that can be is tagged with its team, and with the team’s own tags', () => {
    const tagged = resourcesOf(controlPlane, 'AWS::Lambda::Function').map(
      ([, { Properties }]) => Properties.Tags,
    )
    for (const tags of tagged) {
      expect(tags).toEqual(
        expect.arrayContaining([
          { Key: 'roslin:team', Value: 'speech' },
          { Key: 'cost-center', Value: 'research' },
        ]),
      )
    }
  })
})
