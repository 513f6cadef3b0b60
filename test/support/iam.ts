import { runSimulation } from '@cloud-copilot/iam-simulate'
import { ACCOUNT, type Deployed } from './deployed.ts'

interface Policy {
  readonly name: string
  readonly policy: unknown
}

export interface Role {
  /** Its logical id without the hash, such as `JobstrainRole`. */
  readonly name: string
  readonly arn: string
  readonly policies: readonly Policy[]
  readonly boundary?: Policy
}

export interface Request {
  readonly action: string
  readonly resource: string
  /** What AWS knows of the request: condition key → value. */
  readonly context?: Readonly<Record<string, string | string[]>>
}

/** The policies that AWS keeps and our roles have. */
export type ManagedPolicies = Readonly<Record<string, unknown>>

/** All roles with every policy that is theirs: inline, attached, and AWS's own by name. */
export function rolesOf(deployed: readonly Deployed[], managed: ManagedPolicies): readonly Role[] {
  return deployed
    .filter(({ type }) => type === 'AWS::IAM::Role')
    .map((role) => roleOf(role, deployed, managed))
}

function roleOf(
  { id, arn, properties }: Deployed,
  deployed: readonly Deployed[],
  managed: ManagedPolicies,
): Role {
  const roleName = arn.split('/').at(-1)
  const attached = deployed
    .filter(
      ({ type, properties: { Roles = [] } }) =>
        /IAM::(Managed)?Policy$/.test(type) && Roles.includes(roleName),
    )
    .map((policy) => ({ name: policy.id, policy: policy.properties.PolicyDocument }))
  const inline = (properties.Policies ?? []).map(
    (policy: { PolicyName: string; PolicyDocument: unknown }) => ({
      name: policy.PolicyName,
      policy: policy.PolicyDocument,
    }),
  )
  const byArn = (properties.ManagedPolicyArns ?? []).map((policyArn: string) => ({
    name: policyArn,
    policy: managedPolicy(policyArn, deployed, managed),
  }))
  const { PermissionsBoundary: boundary } = properties
  return {
    name: id.replace(/[0-9A-F]{8}$/, ''),
    arn,
    policies: [...attached, ...inline, ...byArn],
    ...(boundary && { boundary: { name: boundary, policy: managedPolicy(boundary, deployed, managed) } }),
  }
}

function managedPolicy(arn: string, deployed: readonly Deployed[], managed: ManagedPolicies): unknown {
  const own = deployed.find((resource) => resource.arn === arn)?.properties.PolicyDocument
  const found = own ?? managed[arn]
  if (found) return found
  throw new Error(`the policy ${arn} is not known: add its document to test/support/managed-policies.ts`)
}

/** @throws where there is no such action, or none on such a resource: a misspelt request is never denied by accident. */
export async function isAllowed(
  role: Role,
  { action, resource, context }: Request,
  deployed: readonly Deployed[],
): Promise<boolean> {
  const resourcePolicy = resourcePolicyOf(resource, deployed)
  const result = await runSimulation(
    {
      request: {
        principal: `arn:aws:sts::${ACCOUNT}:assumed-role/${role.arn.split('/').at(-1)}/session`,
        action,
        resource: { resource, accountId: ACCOUNT },
        contextVariables: { 'aws:SecureTransport': 'true', 'aws:PrincipalArn': role.arn, ...context },
      },
      identityPolicies: [...role.policies],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      ...(resourcePolicy && { resourcePolicy }),
      ...(role.boundary && { permissionBoundaryPolicies: [role.boundary] }),
    },
    {},
  )
  if (result.resultType === 'error') {
    throw new Error(`${role.name}, ${action} on ${resource}: ${JSON.stringify(result.errors)}`)
  }
  return result.overallResult === 'Allowed'
}

/** The policy of the bucket, queue, topic, key, repository or role that a request is for. */
function resourcePolicyOf(resource: string, deployed: readonly Deployed[]): object | undefined {
  const owner = deployed.find(({ arn }) => resource === arn || resource.startsWith(`${arn}/`))
  if (!owner) return undefined
  const { arn, properties } = owner
  const own = properties.KeyPolicy ?? properties.RepositoryPolicyText ?? properties.AssumeRolePolicyDocument
  if (own) return own
  const name = arn.split(':').at(-1) ?? ''
  const policy = deployed.find(({ type, properties: { Bucket, Queues = [], Topics = [] } }) => {
    if (type === 'AWS::S3::BucketPolicy') return Bucket === name
    return (
      /(Queue|Topic)Policy$/.test(type) &&
      [...Queues, ...Topics].some((one) => one === arn || one.endsWith(`/${name}`))
    )
  })
  return policy?.properties.PolicyDocument
}
