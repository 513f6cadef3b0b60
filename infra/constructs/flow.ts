import { createHash } from 'node:crypto'
import { Duration, Lazy, RemovalPolicy, Stack } from 'aws-cdk-lib'
import type { CfnJobDefinition } from 'aws-cdk-lib/aws-batch'
import type { ITableV2 } from 'aws-cdk-lib/aws-dynamodb'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import type { IBucket } from 'aws-cdk-lib/aws-s3'
import {
  CfnStateMachineAlias,
  CfnStateMachineVersion,
  DefinitionBody,
  LogLevel,
  StateMachine,
  StateMachineType,
} from 'aws-cdk-lib/aws-stepfunctions'
import { Construct } from 'constructs'
import type { Compute } from './compute.ts'
import { flowDefinition } from './flow-definition.ts'
import { type FunctionDefaults, Handler } from './handler.ts'
import { type FlowHooks, renderHooks } from './hooks.ts'
import type { Jobs } from './jobs.ts'
import { grantTable } from './table-rights.ts'

export interface FlowProps {
  readonly team: string
  readonly table: ITableV2
  readonly bucket: IBucket
  readonly compute: Compute
  readonly jobs: Jobs
  readonly functionDefaults: FunctionDefaults
  readonly fairShare: boolean
  readonly hooks?: FlowHooks | undefined
}

/** Planning reads a data file whole; more memory is also more CPU to parse it with. */
const PLAN_MEMORY_MIB = 2048

/** The state machine, and its published version behind the alias `live`. */
export class Flow extends Construct {
  readonly stateMachine: StateMachine
  readonly aliasArn: string
  readonly logGroup: LogGroup

  constructor(scope: Construct, id: string, props: FlowProps) {
    super(scope, id)
    const { table, bucket, functionDefaults: defaults } = props
    const plan = new Handler(this, 'Plan', {
      entry: 'steps/plan.ts',
      defaults,
      environment: { JOB_DEFINITIONS_DIGEST: jobDefinitionsDigest(props.jobs) },
      memoryMiB: PLAN_MEMORY_MIB,
      timeout: Duration.seconds(120),
    })
    const register = new Handler(this, 'Register', { entry: 'steps/register.ts', defaults })
    const classify = new Handler(this, 'Classify', { entry: 'steps/classify.ts', defaults })
    const fail = new Handler(this, 'Fail', { entry: 'steps/fail.ts', defaults })
    const handlers = [plan, register, classify, fail]
    for (const handler of [plan, classify]) grantTable(table, handler, 'change-runs')
    for (const handler of [register, fail]) grantTable(table, handler, 'add-items')
    // A team keeps its data and models in its bucket where it likes; the others read what a run has written.
    bucket.grantRead(plan)
    for (const handler of [register, classify, fail]) bucket.grantRead(handler, 'runs/*')
    bucket.grantRead(register, 'models/*')
    bucket.grantPut(plan, 'runs/*/plan*.json')
    // What the nodes of a job ended with.
    for (const handler of [classify, fail]) props.compute.grantDescribeJobs(handler)

    const hooks = renderHooks(Stack.of(this), props.hooks ?? {})
    const definition = flowDefinition({
      team: props.team,
      planFunctionArn: plan.currentVersion.functionArn,
      registerFunctionArn: register.currentVersion.functionArn,
      classifyFunctionArn: classify.currentVersion.functionArn,
      failFunctionArn: fail.currentVersion.functionArn,
      fairShare: props.fairShare,
      hooks: hooks.branches,
    })
    this.logGroup = new LogGroup(this, 'Logs', {
      retention: defaults.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    this.stateMachine = new StateMachine(this, 'StateMachine', {
      stateMachineType: StateMachineType.STANDARD,
      definitionBody: DefinitionBody.fromString(Stack.of(this).toJsonString(definition)),
      tracingEnabled: true,
      logs: {
        destination: this.logGroup,
        level: LogLevel.ALL,
        // Payloads hold nothing secret, but a cause can be long.
        includeExecutionData: false,
      },
    })
    for (const handler of handlers) handler.grantInvoke(this.stateMachine)
    for (const statement of hooks.policyStatements) this.stateMachine.addToRolePolicy(statement)
    this.#grantBatch(props.compute, props.jobs)
    this.aliasArn = this.#publish(definition)
  }

  /** To start runs' executions and to end them. */
  grantControl(grantee: Handler): void {
    grantee.addToRolePolicy(
      new PolicyStatement({
        actions: ['states:StartExecution'],
        resources: [this.stateMachine.stateMachineArn, this.aliasArn],
      }),
    )
    this.stateMachine.grantExecution(grantee, 'states:DescribeExecution', 'states:StopExecution')
  }

  #grantBatch(compute: Compute, { definitions }: Jobs): void {
    const { jobQueues } = compute
    const stack = Stack.of(this)
    // Plans hold a revision; the deployment may be at a later one by the time the job is submitted.
    const anyRevision = definitions.map(({ jobDefinitionName }) =>
      stack.formatArn({
        service: 'batch',
        resource: 'job-definition',
        resourceName: `${jobDefinitionName}:*`,
      }),
    )
    this.stateMachine.addToRolePolicy(
      new PolicyStatement({
        actions: ['batch:SubmitJob', 'batch:TagResource'],
        resources: [
          ...jobQueues.map(({ jobQueueArn }) => jobQueueArn),
          ...anyRevision,
          stack.formatArn({ service: 'batch', resource: 'job', resourceName: '*' }),
        ],
      }),
    )
    compute.grantDescribeJobs(this.stateMachine)
    this.stateMachine.addToRolePolicy(compute.terminateJobs())
    // The rule through which Step Functions learns of a job's end (`.sync`).
    this.stateMachine.addToRolePolicy(
      new PolicyStatement({
        actions: ['events:PutTargets', 'events:PutRule', 'events:DescribeRule'],
        resources: [
          stack.formatArn({
            service: 'events',
            resource: 'rule',
            resourceName: 'StepFunctionsGetEventsForBatchJobsRule',
          }),
        ],
      }),
    )
  }

  /**
   * A version is what it was published from: another definition, or another version of a step's function, needs another one. Runs under
   * way keep theirs, and with it the functions' code.
   */
  #publish(definition: object): string {
    const stack = Stack.of(this)
    const version = new CfnStateMachineVersion(this, 'Version', {
      stateMachineArn: this.stateMachine.stateMachineArn,
    })
    const id = stack.resolve(version.logicalId)
    version.overrideLogicalId(whenSynthesised(() => `${id}${digestOf(stack.resolve(definition))}`))
    version.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
    version.node.addDependency(this.stateMachine)
    const alias = new CfnStateMachineAlias(this, 'Live', {
      name: 'live',
      routingConfiguration: [{ stateMachineVersionArn: version.attrArn, weight: 100 }],
    })
    return alias.attrArn
  }
}

/**
 * Plan holds the job definitions by their revisions, and a template does not show that there is a new one: without this, Plan would
 * stay at the version that plans with the old.
 */
function jobDefinitionsDigest({ definitions }: Jobs): string {
  return whenSynthesised(() =>
    digestOf(
      definitions.map(({ node, stack }) => {
        const { containerProperties, nodeProperties, retryStrategy, timeout, tags } =
          node.defaultChild as CfnJobDefinition
        return stack.resolve([containerProperties, nodeProperties, retryStrategy, timeout, tags.renderedTags])
      }),
    ),
  )
}

/** Not earlier: functions get variables, and all gets tags, after the flow is made. */
function whenSynthesised(produce: () => string): string {
  return Lazy.uncachedString({ produce })
}

function digestOf(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 12)
}
