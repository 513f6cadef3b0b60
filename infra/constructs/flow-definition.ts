import { ERROR_STATUS } from '../../core/errors.ts'
import type { StepName } from '../../core/plan.ts'

export interface FlowDefinitionProps {
  readonly team: string
  /** Of a version of each function, so that a run keeps the code that it began with. */
  readonly planFunctionArn: string
  readonly registerFunctionArn: string
  readonly classifyFunctionArn: string
  readonly failFunctionArn: string
  /** The queues have a scheduling policy, and take no job without a share of it. */
  readonly fairShare?: boolean
  /** States of a team's own, before the first training job of an execution, and before a model version is registered. */
  readonly hooks?: Readonly<Partial<Record<HookName, Branch>>>
}

/** No training job may run longer than a fortnight (limits.maxHours), nor wait for its machine longer than a day. */
const FLOW_TIMEOUT_SECONDS = 30 * 24 * 3600
const LONGEST_WAIT_SECONDS = 24 * 3600
const LAMBDA_TIMEOUT_SECONDS = 180

/** Faults of the services themselves. */
const SERVICE_RETRY = {
  ErrorEquals: [
    'Lambda.ServiceException',
    'Lambda.AWSLambdaException',
    'Lambda.SdkClientException',
    'Lambda.TooManyRequestsException',
    'Batch.BatchException',
    'Batch.ServerException',
    // What Batch's model does not name, throttling among it (TooManyRequestsException).
    'Batch.AWSBatchException',
    'Batch.TooManyRequestsException',
  ],
  IntervalSeconds: 2,
  MaxAttempts: 6,
  BackoffRate: 2,
  JitterStrategy: 'FULL',
}

/** A job that failed is Classify's: it is not sent again here. */
const BATCH_RETRY = [SERVICE_RETRY]

/** Codes of ours that may be gone by the next try. */
const PASSING: readonly string[] = ['INTERNAL', 'HUB_UNREACHABLE']

/**
 * Steps are idempotent: one that died (Runtime.ExitError, Lambda.Unknown) or met a service that failed for longer than its SDK
 * tries again is sent again. One that refuses says so with a code of ours, and would refuse again.
 */
const LAMBDA_RETRY = [
  { ErrorEquals: Object.keys(ERROR_STATUS).filter((code) => !PASSING.includes(code)), MaxAttempts: 0 },
  SERVICE_RETRY,
  { ErrorEquals: ['States.ALL'], IntervalSeconds: 1, MaxAttempts: 3, BackoffRate: 2, JitterStrategy: 'FULL' },
]

/** The range of a multi-node job definition, which a job that is told more of its nodes must name as it is. */
export const ALL_NODES = '0:'

export type HookName = 'beforeTrain' | 'afterEvaluate'

/** Amazon States Language, JSONata: states with an end of their own. */
export interface Branch {
  readonly StartAt: string
  readonly States: Readonly<Record<string, object>>
}

const RUN_ID = '{% $states.context.Execution.Input.runId %}'
const EXECUTION = '{% $states.context.Execution.Input.execution %}'

/**
 * Plan → Prepare → Train → Evaluate → Register. Train is one of two states, for one machine or for several. A job that failed goes to Classify, which sends it to the same capacity option again,
 * to the next one, or to Fail; any other error goes to Fail. Amazon States Language, JSONata.
 */
export function flowDefinition(props: FlowDefinitionProps) {
  const { beforeTrain, afterEvaluate } = props.hooks ?? {}
  const toTrain = beforeTrain ? 'BeforeTrain' : 'ChooseTrain'
  const toRegister = afterEvaluate ? 'AfterEvaluate' : 'Register'
  return {
    Comment: 'One execution of a run: its input is {"runId", "execution"}, and its name is made of both',
    QueryLanguage: 'JSONata',
    TimeoutSeconds: FLOW_TIMEOUT_SECONDS,
    StartAt: 'Plan',
    States: {
      Plan: {
        ...lambdaTask(props.planFunctionArn, { runId: RUN_ID, execution: EXECUTION }),
        Assign: {
          from: '{% $states.result.Payload.from %}',
          recipe: '{% $states.result.Payload.recipe %}',
          planUri: '{% $states.result.Payload.planUri %}',
          jobs: '{% $states.result.Payload.jobs %}',
          progress: '{% $states.result.Payload.progress %}',
        },
        Output: {},
        Catch: catchAs('plan', 'Fail'),
        Next: 'Begin',
      },
      // A run that goes on does not do again what is done; a hook it passes each time, for it may have said no.
      Begin: {
        Type: 'Choice',
        Choices: [
          { Condition: "{% $from = 'train' %}", Next: toTrain },
          { Condition: "{% $from = 'evaluate' %}", Next: 'Evaluate' },
          { Condition: "{% $from = 'register' %}", Next: toRegister },
        ],
        Default: 'Prepare',
      },
      Prepare: batchTask('prepare', props, toTrain),
      ...(beforeTrain && { BeforeTrain: hookState('beforeTrain', beforeTrain, 'ChooseTrain') }),
      ChooseTrain: {
        Type: 'Choice',
        Choices: [{ Condition: '{% $jobs.train[$progress.option].nodes > 1 %}', Next: 'TrainOnNodes' }],
        Default: 'Train',
      },
      Train: batchTask('train', props, 'Evaluate'),
      TrainOnNodes: batchTask('train', props, 'Evaluate', onNodes),
      Evaluate: batchTask('evaluate', props, toRegister),
      ...(afterEvaluate && { AfterEvaluate: hookState('afterEvaluate', afterEvaluate, 'Register') }),
      Register: {
        ...lambdaTask(props.registerFunctionArn, {
          runId: RUN_ID,
          execution: EXECUTION,
          planUri: '{% $planUri %}',
        }),
        Output: '{% $states.result.Payload %}',
        Catch: catchAs('register', 'Fail'),
        Next: 'Succeeded',
      },
      // Its output is the model version, for a larger flow that has started this one.
      Succeeded: { Type: 'Succeed' },
      Classify: {
        ...lambdaTask(props.classifyFunctionArn, {
          runId: RUN_ID,
          step: '{% $failedStep %}',
          error: '{% $error %}',
          planUri: '{% $planUri %}',
          progress: '{% $progress %}',
        }),
        Assign: {
          action: '{% $states.result.Payload.action %}',
          progress: '{% $states.result.Payload.progress %}',
          failure: '{% $states.result.Payload.failure %}',
        },
        Output: {},
        // What failed first stays the reason.
        Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Fail' }],
        Next: 'Recover',
      },
      Recover: {
        Type: 'Choice',
        Choices: [
          { Condition: "{% $action = 'stop' %}", Next: 'Fail' },
          { Condition: "{% $failedStep = 'prepare' %}", Next: 'Prepare' },
          { Condition: "{% $failedStep = 'train' %}", Next: 'ChooseTrain' },
        ],
        Default: 'Evaluate',
      },
      Fail: {
        ...lambdaTask(props.failFunctionArn, {
          runId: RUN_ID,
          execution: EXECUTION,
          step: '{% $failedStep %}',
          error: '{% $error %}',
          failure: '{% $failure %}',
        }),
        Output: '{% $states.result.Payload %}',
        Next: 'Failed',
      },
      Failed: { Type: 'Fail', Error: '{% $states.input.code %}', Cause: '{% $states.input.message %}' },
    },
  }
}

function lambdaTask(functionArn: string, payload: Record<string, string>) {
  return {
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke',
    TimeoutSeconds: LAMBDA_TIMEOUT_SECONDS,
    Arguments: { FunctionName: functionArn, Payload: payload },
    Retry: LAMBDA_RETRY,
  }
}

/** A Batch job, and the wait for its end. The plan says where it runs and what it needs; the container reads the plan itself. */
function batchTask(
  step: StepName,
  { team, fairShare }: FlowDefinitionProps,
  next: string,
  overrides: (step: StepName) => object = onOneMachine,
) {
  const job = jobField(step)
  return {
    Type: 'Task',
    Resource: 'arn:aws:states:::batch:submitJob.sync',
    TimeoutSeconds: `{% ${longest(step)} + ${LONGEST_WAIT_SECONDS} %}`,
    Arguments: {
      JobName: `{% 'roslin-${step}-' & $states.context.Execution.Name %}`,
      JobQueue: job('jobQueueArn'),
      JobDefinition: job('jobDefinitionArn'),
      ...(fairShare && { ShareIdentifier: job('shareIdentifier'), SchedulingPriorityOverride: 1 }),
      // Not read by the container: they tell whose job it is, in the job's events too.
      Parameters: {
        runId: RUN_ID,
        step,
        execution: '{% $string($states.context.Execution.Input.execution) %}',
        attempt: '{% $string($progress.attempt) %}',
        option: '{% $string($progress.option) %}',
      },
      ...overrides(step),
      Timeout: { AttemptDurationSeconds: `{% ${longest(step)} %}` },
      PropagateTags: true,
      Tags: {
        'roslin:team': team,
        'roslin:recipe': '{% $recipe %}',
        'roslin:run': RUN_ID,
        'roslin:step': step,
      },
    },
    Retry: BATCH_RETRY,
    Catch: catchAs(step, 'Classify'),
    Output: {},
    Next: next,
  }
}

/** A job's seconds as planned; of a further evaluation, no more than what is left of the run's limit pays for. */
function longest(step: StepName): string {
  const planned = `$jobs.${step}[$progress.option].timeoutSeconds`
  return step === 'evaluate' ? `$min([${planned}, $progress.evaluationSeconds])` : planned
}

const jobField = (step: StepName) => (field: string) => `{% $jobs.${step}[$progress.option].${field} %}`

function onOneMachine(step: StepName) {
  return { ContainerOverrides: containerOverrides(step) }
}

/** A job of several nodes takes no overrides of its container but those of a range of nodes. */
function onNodes(step: StepName) {
  return {
    NodeOverrides: {
      NumNodes: jobField(step)('nodes'),
      NodePropertyOverrides: [{ TargetNodes: ALL_NODES, ContainerOverrides: containerOverrides(step) }],
    },
  }
}

function containerOverrides(step: StepName) {
  return {
    Environment: [
      { Name: 'ROSLIN_PLAN_URI', Value: '{% $planUri %}' },
      { Name: 'ROSLIN_STEP', Value: step },
      { Name: 'ROSLIN_ATTEMPT', Value: '{% $string($progress.attempt + 1) %}' },
      { Name: 'ROSLIN_CAPACITY_OPTION', Value: '{% $string($progress.option) %}' },
    ],
    ResourceRequirements: jobField(step)('resourceRequirements'),
  }
}

/** In a branch of its own, whatever ends there ends the hook and not the flow, and any error of it is caught. */
function hookState(hook: HookName, branch: Branch, next: string) {
  return {
    Type: 'Parallel',
    Arguments: { runId: RUN_ID, execution: EXECUTION, planUri: '{% $planUri %}' },
    Branches: [branch],
    Catch: catchAs(hook, 'Fail'),
    Output: {},
    Next: next,
  }
}

function catchAs(step: string, next: string) {
  return [
    {
      ErrorEquals: ['States.ALL'],
      Assign: { failedStep: step, error: '{% $states.errorOutput %}', failure: null },
      Next: next,
    },
  ]
}
