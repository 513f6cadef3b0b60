import { type Deployed, deploy } from '../../support/deployed.ts'
import { type ManagedPolicies, type Role, rolesOf } from '../../support/iam.ts'
import { AWS_MANAGED } from '../../support/managed-policies.ts'
import { everyCapacity, synthesise } from '../../support/stacks.ts'

/** A team with everything that makes a role. */
export const everyRole = (name: string) => ({
  ...everyCapacity,
  name,
  notifications: { webhookSecret: `${name}/webhook` },
  people: {
    operators: ['arn:aws:iam::111122223333:role/engineers'],
    viewers: ['arn:aws:iam::111122223333:role/readers'],
  },
  secrets: { huggingFaceToken: `${name}/hugging-face` },
  triggers: [{ model: 'base', recipe: 'recipes/deployed/follow.yaml' }],
})

export interface TwoTeams {
  readonly deployed: readonly Deployed[]
  readonly own: Team
  readonly other: Team
}

let twoTeams: TwoTeams | undefined

/** Two teams in one account: `speech`, whose roles are tried, and `search`. Synthesised once for all files. */
export function deployTwoTeams(): TwoTeams {
  if (twoTeams) return twoTeams
  const deployed = deploy({ ...stacksOf('speech'), ...stacksOf('search') })
  twoTeams = { deployed, own: new Team('speech', deployed), other: new Team('search', deployed) }
  return twoTeams
}

export function stacksOf(name: string, team: Readonly<Record<string, unknown>> = everyRole(name)) {
  const { state, controlPlane } = synthesise(team)
  return { [`Roslin-${name}-State`]: state, [`Roslin-${name}-ControlPlane`]: controlPlane }
}

/** What a team has, by what it is called in its templates. */
export class Team {
  readonly name: string
  readonly roles: readonly Role[]
  readonly #deployed: readonly Deployed[]

  constructor(name: string, deployed: readonly Deployed[], managed: ManagedPolicies = {}) {
    this.name = name
    this.#deployed = deployed.filter(({ stack }) => stack.startsWith(`Roslin-${name}-`))
    this.roles = rolesOf(this.#deployed, { ...AWS_MANAGED, ...managed })
  }

  /** The ARN of the resource whose logical id begins so, without its hash. */
  arn(id: string): string {
    const found = this.#deployed.find((resource) => resource.id.replace(/[0-9A-F]{8}$/, '') === id)
    if (!found) throw new Error(`team ${this.name} has no ${id}`)
    return found.arn
  }

  role(name: string): Role {
    const found = this.roles.find((role) => role.name === name)
    if (!found) throw new Error(`team ${this.name} has no role ${name}`)
    return found
  }

  /** An object of the team's bucket. */
  object(key: string): string {
    return `${this.arn('Bucket')}/${key}`
  }

  /** What KMS is told of a request that a service makes with the team's key for one of its callers. */
  keyThrough(service: 's3' | 'dynamodb' | 'ec2') {
    return {
      resource: this.arn('Key'),
      context: {
        'kms:ViaService': `${service}.us-east-1.amazonaws.com`,
        'kms:CallerAccount': '111122223333',
      },
    }
  }

  get bucket(): string {
    return this.arn('Bucket')
  }

  get table(): string {
    return this.arn('Table')
  }

  get machine(): string {
    return this.arn('FlowStateMachine')
  }

  get liveAlias(): string {
    return `${this.machine}:live`
  }

  get execution(): string {
    return `${this.machine.replace(':stateMachine:', ':execution:')}:01JRUN-0`
  }

  get gpuQueue(): string {
    return this.arn('Computep4d24xlargespotQueue')
  }

  get controlPlane(): string {
    return `arn:aws:cloudformation:us-east-1:111122223333:stack/Roslin-${this.name}-ControlPlane/0f2c`
  }

  get schedule(): string {
    return `${this.arn('SchedulesGroup').replace(':schedule-group/', ':schedule/')}/nightly`
  }

  /** The line of a container. */
  get jobLogStream(): string {
    return `${this.arn('JobsLogs').slice(0, -1)}log-stream:train/default/1`
  }

  /** A job that Batch has just made: its id is Batch's, its tag the flow's. */
  get job() {
    return {
      resource: 'arn:aws:batch:us-east-1:111122223333:job/0f2c',
      context: { 'aws:ResourceTag/roslin:team': this.name },
    }
  }

  /** A route of the team's API. */
  route(route: string): string {
    return `arn:aws:execute-api:us-east-1:111122223333:${this.arn('ApiHttpApi').split(':').at(-1)}/$default/${route}`
  }

  secret(name: string): string {
    return `arn:aws:secretsmanager:us-east-1:111122223333:secret:${this.name}/${name}-AbCdEf`
  }
}
