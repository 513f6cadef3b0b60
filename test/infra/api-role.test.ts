import { describe, expect, it } from 'vitest'
import { resourcesOf, synthesise } from '../support/stacks.ts'

interface Statement {
  readonly Action: string | readonly string[]
  readonly Resource: unknown
  readonly Condition?: unknown
}

const { controlPlane } = synthesise()
const [, policy] =
  resourcesOf(controlPlane, 'AWS::IAM::Policy').find(([id]) => id.startsWith('ApiHandlerRole')) ?? []
const statements: readonly Statement[] = policy?.Properties.PolicyDocument.Statement
const actionsOn = (service: string) =>
  statements
    .flatMap(({ Action }) => [Action].flat())
    .filter((action) => action.startsWith(`${service}:`))
    .sort()
const resourcesFor = (action: string) =>
  statements
    .filter(({ Action }) => [Action].flat().includes(action))
    .flatMap(({ Resource }) => [Resource].flat())
    .map((resource) => JSON.stringify(resource))

describe("the API's role", () => {
  it('may do what its handlers do, and nothing more', () => {
    const services = new Set(
      statements.flatMap(({ Action }) => [Action].flat()).map((one) => one.split(':')[0]),
    )
    expect([...services].sort()).toEqual([
      'batch',
      'dynamodb',
      'iam',
      'kms',
      'logs',
      's3',
      'scheduler',
      'servicequotas',
      'states',
      'xray',
    ])
    // No scan, no deletion, no stream.
    expect(actionsOn('dynamodb')).toEqual([
      'dynamodb:GetItem',
      'dynamodb:PutItem',
      'dynamodb:Query',
      'dynamodb:UpdateItem',
    ])
    expect(actionsOn('states')).toEqual([
      'states:DescribeExecution',
      'states:StartExecution',
      'states:StopExecution',
    ])
    expect(actionsOn('scheduler')).toEqual([
      'scheduler:CreateSchedule',
      'scheduler:DeleteSchedule',
      'scheduler:GetSchedule',
      'scheduler:ListSchedules',
      'scheduler:UpdateSchedule',
    ])
    expect(actionsOn('servicequotas')).toEqual(['servicequotas:GetServiceQuota'])
    expect(actionsOn('s3').filter((action) => /Delete|Policy|Acl/.test(action))).toEqual([])
  })

  it('writes to the bucket only what is sent up, versions of data sets, and how jobs are to stop', () => {
    const written = resourcesFor('s3:PutObject')
    expect(written.map((resource) => /"(\/[^"]*)"\]\]/.exec(resource)?.[1]).sort()).toEqual([
      '/datasets/*',
      '/incoming/*',
      '/runs/*/stops/*.json',
      '/uploads/*',
    ])
  })

  it('passes on one role, which calls one function, and to EventBridge Scheduler alone', () => {
    const passing = statements.find(({ Action }) => Action === 'iam:PassRole')
    expect(passing?.Condition).toEqual({
      StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' },
    })
    expect(actionsOn('iam')).toEqual(['iam:PassRole'])
    expect(resourcesFor('iam:PassRole')).toEqual([expect.stringContaining('SchedulesRole')])
  })

  it('reaches one table and its indexes', () => {
    const [table, indexes, ...others] = resourcesFor('dynamodb:Query')
    expect(table).toContain('Table')
    expect(table).not.toContain('*')
    expect(indexes).toContain(`/index/*`)
    expect(others).toEqual([])
  })
})
