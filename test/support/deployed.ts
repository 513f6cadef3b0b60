import type { Template } from 'aws-cdk-lib/assertions'

export const ACCOUNT = '111122223333'
const REGION = 'us-east-1'

/** A resource as CloudFormation would have made it, under a name that is the same each time. */
export interface Deployed {
  readonly stack: string
  /** Its logical id. */
  readonly id: string
  readonly type: string
  readonly arn: string
  // biome-ignore lint/suspicious/noExplicitAny: properties have a shape for each type
  readonly properties: any
}

type Json = Readonly<Record<string, unknown>>

const at = (service: string, resource: string) => `arn:aws:${service}:${REGION}:${ACCOUNT}:${resource}`

/** The ARNs of those types that policies speak of. */
const ARN: Readonly<Record<string, (name: string, properties: Json) => string>> = {
  'AWS::S3::Bucket': (name) => `arn:aws:s3:::${name}`,
  'AWS::DynamoDB::GlobalTable': (name) => at('dynamodb', `table/${name}`),
  'AWS::KMS::Key': (name) => at('kms', `key/${name}`),
  'AWS::ECR::Repository': (name) => at('ecr', `repository/${name}`),
  'AWS::IAM::Role': (name, { Path = '/' }) => `arn:aws:iam::${ACCOUNT}:role${Path}${name}`,
  'AWS::IAM::ManagedPolicy': (name, { Path = '/' }) => `arn:aws:iam::${ACCOUNT}:policy${Path}${name}`,
  'AWS::Lambda::Function': (name) => at('lambda', `function:${name}`),
  'AWS::SQS::Queue': (name) => at('sqs', name),
  'AWS::SNS::Topic': (name) => at('sns', name),
  'AWS::Batch::ComputeEnvironment': (name) => at('batch', `compute-environment/${name}`),
  'AWS::Batch::JobQueue': (name) => at('batch', `job-queue/${name}`),
  'AWS::Batch::JobDefinition': (name) => at('batch', `job-definition/${name}:1`),
  'AWS::StepFunctions::StateMachine': (name) => at('states', `stateMachine:${name}`),
  'AWS::StepFunctions::StateMachineVersion': (_, { StateMachineArn }) => `${StateMachineArn}:1`,
  'AWS::Logs::LogGroup': (name) => at('logs', `log-group:${name}:*`),
  'AWS::Scheduler::ScheduleGroup': (name) => at('scheduler', `schedule-group/${name}`),
}

/** Those whose Ref is their ARN; of the others it is a name. */
const REF_IS_ARN = /::(SNS::Topic|IAM::ManagedPolicy|Batch::\w+|StepFunctions::\w+)$/

/** What a resource may be named in its template. */
const NAMES = ['Name', 'RoleName', 'RepositoryName', 'ManagedPolicyName']

/**
 * Stacks with all their references resolved, as far as IAM is concerned.
 * @param stacks name → template
 */
export function deploy(stacks: Readonly<Record<string, Template>>): readonly Deployed[] {
  const templates = new Map(Object.entries(stacks).map(([name, template]) => [name, template.toJSON()]))
  const resolvers = [...templates].map(([stack, template]) => new Resolver(stack, template, templates))
  return resolvers.flatMap((resolver) => resolver.resources())
}

class Resolver {
  readonly #stack: string
  readonly #template: Json
  readonly #templates: ReadonlyMap<string, Json>

  constructor(stack: string, template: Json, templates: ReadonlyMap<string, Json>) {
    this.#stack = stack
    this.#template = template
    this.#templates = templates
  }

  resources(): Deployed[] {
    return Object.entries(this.#template.Resources as Record<string, { Type: string }>).map(
      ([id, { Type: type }]) => ({
        stack: this.#stack,
        id,
        type,
        arn: this.#arn(id),
        properties: this.#properties(id),
      }),
    )
  }

  #resource(id: string): { readonly Type: string; readonly Properties?: Json } {
    const found = (this.#template.Resources as Record<string, { Type: string }>)[id]
    if (!found) throw new Error(`${this.#stack} has no resource ${id}`)
    return found
  }

  #properties(id: string): Json {
    return this.resolve(this.#resource(id).Properties ?? {}) as Json
  }

  #name(id: string): string {
    const { Type, Properties = {} } = this.#resource(id)
    const given = NAMES.map((name) => Properties[name]).find((name) => typeof name === 'string')
    const name = String(given ?? `${this.#stack}-${id}`)
    return /::(S3::Bucket|ECR::Repository)$/.test(Type) ? name.toLowerCase() : name
  }

  #arn(id: string): string {
    const { Type } = this.#resource(id)
    const properties = Type in ARN ? this.#properties(id) : {}
    return ARN[Type]?.(this.#name(id), properties) ?? at('other', this.#name(id))
  }

  #ref(id: string): unknown {
    const pseudo: Readonly<Record<string, string>> = {
      'AWS::Partition': 'aws',
      'AWS::AccountId': ACCOUNT,
      'AWS::Region': REGION,
      'AWS::URLSuffix': 'amazonaws.com',
      'AWS::StackName': this.#stack,
      'AWS::StackId': at('cloudformation', `stack/${this.#stack}/1`),
    }
    if (id in pseudo) return pseudo[id]
    const parameters = (this.#template.Parameters ?? {}) as Record<string, { Default?: unknown }>
    if (id in parameters) return parameters[id]?.Default ?? id
    const { Type } = this.#resource(id)
    if (Type === 'AWS::SQS::Queue') return `https://sqs.${REGION}.amazonaws.com/${ACCOUNT}/${this.#name(id)}`
    return REF_IS_ARN.test(Type) ? this.#arn(id) : this.#name(id)
  }

  #attribute(id: string, attribute: string): string {
    if (attribute === 'StreamArn') return `${this.#arn(id)}/stream/2026-01-01T00:00:00.000`
    if (this.#resource(id).Type === 'AWS::StepFunctions::StateMachineAlias') return this.#alias(id)
    return attribute.endsWith('Arn') ? this.#arn(id) : `${this.#name(id)}.${attribute}`
  }

  #alias(id: string): string {
    const { Name, RoutingConfiguration } = this.#properties(id)
    const [version] = RoutingConfiguration as readonly [{ readonly StateMachineVersionArn: string }]
    return version.StateMachineVersionArn.replace(/:\d+$/, `:${Name}`)
  }

  #import(exportName: unknown): unknown {
    for (const [stack, template] of this.#templates) {
      const outputs = Object.values((template.Outputs ?? {}) as Record<string, Json>)
      const resolver = new Resolver(stack, template, this.#templates)
      const found = outputs.find(({ Export }) => Export && (Export as Json).Name === exportName)
      if (found) return resolver.resolve(found.Value)
    }
    throw new Error(`no stack exports ${exportName}`)
  }

  resolve(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.resolve(item))
    if (typeof value !== 'object' || value === null) return value
    const [[key, given] = [], ...more] = Object.entries(value)
    if (more.length === 0 && key !== undefined && key in this.#functions) {
      return this.#functions[key]?.(given)
    }
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.resolve(item)]))
  }

  readonly #functions: Readonly<Record<string, (given: unknown) => unknown>> = {
    Ref: (id) => this.#ref(String(id)),
    'Fn::GetAtt': (given) => {
      const [id, attribute] = given as [string, string]
      return this.#attribute(id, attribute)
    },
    'Fn::Join': (given) => {
      const [separator, parts] = given as [string, unknown]
      return (this.resolve(parts) as unknown[]).join(separator)
    },
    'Fn::Split': (given) => {
      const [separator, text] = given as [string, unknown]
      return String(this.resolve(text)).split(separator)
    },
    'Fn::Select': (given) => {
      const [index, list] = given as [number, unknown]
      return (this.resolve(list) as unknown[])[Number(index)]
    },
    'Fn::Sub': (given) =>
      String([given].flat()[0]).replace(/\$\{([\w:]+)\}/g, (_, name) => String(this.#ref(name))),
    'Fn::ImportValue': (name) => this.#import(this.resolve(name)),
    // None of these is in a policy.
    'Fn::Base64': () => 'base64',
    'Fn::GetAZs': () => [`${REGION}a`, `${REGION}b`, `${REGION}c`],
  }
}
