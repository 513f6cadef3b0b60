import { App, Stack, Validations } from 'aws-cdk-lib'
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { describe, expect, it } from 'vitest'
import { NagChecks } from '../../infra/nag-checks.ts'
import { resourcesOf, synthesise } from '../support/stacks.ts'

/** Actions that IAM knows no resource for: only beside these may a policy say `*`. infra/nag-checks.ts relies on this list. */
const WITHOUT_RESOURCE = [
  'xray:GetSamplingRules',
  'xray:GetSamplingTargets',
  'xray:PutTelemetryRecords',
  'xray:PutTraceSegments',
  'logs:CreateLogDelivery',
  'logs:DeleteLogDelivery',
  'logs:DescribeLogGroups',
  'logs:DescribeResourcePolicies',
  'logs:GetLogDelivery',
  'logs:ListLogDeliveries',
  'logs:PutResourcePolicy',
  'logs:UpdateLogDelivery',
  'batch:DescribeJobs',
  'batch:ListJobs',
  'ec2:DescribeSpotPriceHistory',
  'dynamodb:ListStreams',
  'ecr:GetAuthorizationToken',
  'scheduler:ListSchedules',
]

interface Statement {
  readonly Effect: string
  readonly Action: string | readonly string[]
  readonly Resource: unknown
  readonly Principal?: unknown
  readonly Condition?: unknown
}

const actionsOf = ({ Action }: Statement): readonly string[] => [Action].flat()

const { state, controlPlane } = synthesise()
const statements = [state, controlPlane].flatMap((template) =>
  resourcesOf(template).flatMap(([id, { Properties }]) =>
    [Properties?.PolicyDocument, Properties?.AssumeRolePolicyDocument]
      .filter(Boolean)
      .flatMap(({ Statement }): [string, Statement][] => Statement.map((one: Statement) => [id, one])),
  ),
)
const allowed = statements.filter(([, { Effect }]) => Effect === 'Allow')

describe('a policy', () => {
  it('says * for a resource only beside actions that know none', () => {
    const wide = allowed.filter(([, { Resource }]) => [Resource].flat().includes('*'))
    expect(wide.length).toBeGreaterThan(0)
    const others = wide.flatMap(([id, statement]) =>
      actionsOf(statement).flatMap((action) =>
        WITHOUT_RESOURCE.includes(action) ? [] : [`${id}: ${action}`],
      ),
    )
    expect(others).toEqual([])
  })

  it("ends the team's own jobs alone", () => {
    const ending = allowed.filter(([, statement]) => actionsOf(statement).includes('batch:TerminateJob'))
    expect(ending).toHaveLength(4)
    for (const [, { Condition }] of ending) {
      expect(Condition).toEqual({ StringEquals: { 'aws:ResourceTag/roslin:team': 'speech' } })
    }
  })

  it('never allows all of a service', () => {
    const actions = allowed.flatMap(([id, statement]) =>
      actionsOf(statement).map((action) => `${id}: ${action}`),
    )
    expect(actions.filter((action) => /: (\*|[a-z0-9]+:\*)$/.test(action))).toEqual([])
  })

  it('never lets everybody in', () => {
    const open = allowed.filter(([, { Principal }]) => /"\*"/.test(JSON.stringify(Principal ?? '')))
    expect(open).toEqual([])
  })

  it('never lets a training container write data, base models or prepared rows', () => {
    const [, policy] =
      resourcesOf(controlPlane, 'AWS::IAM::Policy').find(([id]) => id.startsWith('JobstrainRole')) ?? []
    const writing: Statement[] = policy?.Properties.PolicyDocument.Statement.filter((statement: Statement) =>
      actionsOf(statement).some((action) => /^s3:(Put|Delete|Abort)/.test(action)),
    )
    const prefixes = writing.flatMap(({ Resource }) => JSON.stringify(Resource).match(/\/[\w-]*\/?\*/g) ?? [])
    expect(new Set(prefixes)).toEqual(new Set(['/runs/*', '/models/*']))
  })
})

describe('the checks of every synthesis', () => {
  const synthesising = (resource: string) => {
    const app = new App()
    const stack = new Stack(app, 'Stack')
    const role = new Role(stack, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    role.addToPolicy(new PolicyStatement({ actions: ['s3:GetObject'], resources: [resource] }))
    Validations.of(app).addPlugins(new NagChecks(app))
    return () => app.synth()
  }

  it('let a policy pass that names its resource', () => {
    expect(synthesising('arn:aws:s3:::bucket/one-object')).not.toThrow()
  })

  it('refuse a wildcard that nobody has explained', () => {
    expect(synthesising('arn:aws:s3:::*')).toThrow(/AwsSolutions-IAM5/)
  })
})
