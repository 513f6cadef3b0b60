import { CfnOutput, Duration, Stack } from 'aws-cdk-lib'
import { ArnPrincipal, CompositePrincipal, ManagedPolicy, PolicyStatement, Role } from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import type { People as PeopleOfTeam } from '../../core/team-identity.ts'
import type { Api } from './api.ts'

export interface PeopleProps {
  readonly people: PeopleOfTeam
  readonly api: Api
}

/** Those who may operate the team's runs, and those who may look at them: a policy for each, and roles for whom the team names. */
export class People extends Construct {
  constructor(scope: Construct, id: string, { people, api }: PeopleProps) {
    super(scope, id)
    const operate = this.#policy('Operate', api, '*')
    const view = this.#policy('View', api, 'GET')
    this.#role('Operators', people.operators, operate, people)
    this.#role('Viewers', people.viewers, view, people)
  }

  /** The API by these methods, and where it is: what the command line needs. Uploads go by forms that the API signs. */
  #policy(id: string, api: Api, method: string): ManagedPolicy {
    const stack = Stack.of(this)
    const policy = new ManagedPolicy(this, id, {
      statements: [
        new PolicyStatement({
          actions: ['execute-api:Invoke'],
          resources: [
            stack.formatArn({ service: 'execute-api', resource: api.id, resourceName: `*/${method}/*` }),
          ],
        }),
        new PolicyStatement({
          actions: ['cloudformation:DescribeStacks'],
          resources: [
            stack.formatArn({
              service: 'cloudformation',
              resource: 'stack',
              resourceName: `${stack.stackName}/*`,
            }),
          ],
        }),
      ],
    })
    new CfnOutput(stack, `${id}PolicyArn`, { value: policy.managedPolicyArn })
    return policy
  }

  #role(
    id: string,
    arns: readonly string[],
    policy: ManagedPolicy,
    { sessionHours, requireMfa }: PeopleOfTeam,
  ): void {
    if (arns.length === 0) return
    const principals = new CompositePrincipal(...arns.map((arn) => new ArnPrincipal(arn)))
    const role = new Role(this, `${id}Role`, {
      assumedBy: requireMfa
        ? principals.withConditions({ Bool: { 'aws:MultiFactorAuthPresent': 'true' } })
        : principals,
      maxSessionDuration: Duration.hours(sessionHours),
      managedPolicies: [policy],
    })
    new CfnOutput(Stack.of(this), `${id}RoleArn`, { value: role.roleArn })
  }
}
