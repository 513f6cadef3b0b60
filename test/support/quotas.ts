import type { Template } from 'aws-cdk-lib/assertions'
import { type Resource, resourcesOf } from './stacks.ts'

/** A service's limit, and the most that anything in a template takes of it. Sources: each service's quotas page. */
export interface Quota {
  readonly what: string
  readonly limit: number
  /** The most of the limit that may be used, where that is not 70 %. */
  readonly share?: number
  readonly measure: (template: Template) => number
}

const MIB = 1024 * 1024

export const QUOTAS: readonly Quota[] = [
  { what: 'resources in a stack', limit: 500, measure: (template) => resourcesOf(template).length },
  { what: 'outputs of a stack', limit: 200, measure: (template) => sectionSize(template, 'Outputs') },
  { what: 'parameters of a stack', limit: 200, measure: (template) => sectionSize(template, 'Parameters') },
  { what: 'bytes of a template', limit: MIB, measure: (template) => bytes(template.toJSON()) },
  {
    what: 'bytes of a state machine’s definition',
    limit: MIB,
    measure: most(
      'AWS::StepFunctions::StateMachine',
      ({ DefinitionString }) => rendered(DefinitionString).length,
    ),
  },
  {
    what: 'bytes of a job’s container overrides',
    limit: 8192,
    measure: most('AWS::StepFunctions::StateMachine', ({ DefinitionString }) =>
      largestOverrides(DefinitionString),
    ),
  },
  { what: 'characters of a role’s inline policies', limit: 10_240, measure: inlinePolicies },
  {
    what: 'managed policies of a role',
    limit: 10,
    measure: most('AWS::IAM::Role', ({ ManagedPolicyArns = [] }) => ManagedPolicyArns.length),
  },
  {
    what: 'bytes of a function’s environment',
    limit: 4096,
    measure: most('AWS::Lambda::Function', ({ Environment }) => rendered(Environment?.Variables).length),
  },
  {
    what: 'characters of an event pattern',
    limit: 2048,
    measure: most('AWS::Events::Rule', ({ EventPattern }) => rendered(EventPattern).length),
  },
  { what: 'rules of an event bus', limit: 300, measure: count('AWS::Events::Rule') },
  { what: 'alarms of an account', limit: 5000, measure: count('AWS::CloudWatch::Alarm') },
  { what: 'job queues of an account', limit: 50, measure: count('AWS::Batch::JobQueue') },
  { what: 'compute environments of an account', limit: 50, measure: count('AWS::Batch::ComputeEnvironment') },
  {
    what: 'bytes of a launch template’s user data',
    limit: 16 * 1024,
    measure: most(
      'AWS::EC2::LaunchTemplate',
      ({ LaunchTemplateData }) => rendered(LaunchTemplateData.UserData).length,
    ),
  },
]

function most(type: string, size: (properties: Resource['Properties']) => number) {
  return (template: Template) =>
    Math.max(0, ...resourcesOf(template, type).map(([, { Properties }]) => size(Properties ?? {})))
}

function count(type: string) {
  return (template: Template) => resourcesOf(template, type).length
}

function sectionSize(template: Template, name: 'Outputs' | 'Parameters'): number {
  return Object.keys(template.toJSON()[name] ?? {}).length
}

function inlinePolicies(template: Template): number {
  const ofRole = new Map<string, number>()
  for (const [, { Properties }] of resourcesOf(template, 'AWS::IAM::Policy')) {
    for (const { Ref } of Properties.Roles ?? []) {
      ofRole.set(Ref, (ofRole.get(Ref) ?? 0) + rendered(Properties.PolicyDocument).length)
    }
  }
  return Math.max(0, ...ofRole.values())
}

/** What the expressions give is longest for the plan's URI: a bucket's name has 63 characters. */
const LONGEST_VALUE = 'x'.repeat(160)

function largestOverrides(definition: unknown): number {
  const sizes: number[] = []
  JSON.parse(rendered(definition), (key, value) => {
    if (/^(Container|Node)Overrides$/.test(key)) {
      sizes.push(JSON.stringify(value).replace(/\{%.*?%\}/g, LONGEST_VALUE).length)
    }
    return value
  })
  return Math.max(0, ...sizes)
}

/** As long as the names that are made: the logical id and a suffix, in an ARN; of another stack's, a name alone. */
const arnOf = (id: string) => `arn:aws:service:us-east-1:123456789012:job-queue/${id}-${'x'.repeat(16)}`
const IMPORTED_NAME = 'x'.repeat(64)

/** As text of the length that it has once it is deployed. */
function rendered(value: unknown): string {
  const text = (one: unknown): unknown => {
    if (Array.isArray(one)) return one.map(text)
    if (typeof one !== 'object' || one === null) return one
    const [[name, content] = ['', undefined], ...more] = Object.entries(one)
    if (more.length > 0 || !/^(Ref$|Fn::)/.test(name)) {
      return Object.fromEntries(Object.entries(one).map(([key, inner]) => [key, text(inner)]))
    }
    if (name === 'Fn::Select') return splitOf(content[1]['Fn::Split'])[content[0]]
    if (name === 'Fn::Join') return content[1].map(text).join(content[0])
    if (name === 'Fn::Base64') return text(content)
    if (name === 'Ref' && content.startsWith('AWS::')) return 'us-east-1-aws'
    if (name === 'Fn::ImportValue') return IMPORTED_NAME
    return arnOf(String([content].flat()[0]))
  }
  const splitOf = ([separator, whole]: [string, unknown]) => String(text(whole)).split(separator)
  const found = text(value ?? '')
  return typeof found === 'string' ? found : JSON.stringify(found)
}

function bytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}
