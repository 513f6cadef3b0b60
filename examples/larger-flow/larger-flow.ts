import { type App, Duration, Stack } from 'aws-cdk-lib'
import { Topic } from 'aws-cdk-lib/aws-sns'
import {
  DefinitionBody,
  IntegrationPattern,
  StateMachine,
  TaskInput,
  Timeout,
} from 'aws-cdk-lib/aws-stepfunctions'
import { SnsPublish, StepFunctionsStartExecution } from 'aws-cdk-lib/aws-stepfunctions-tasks'
import { type FlowHook, parseTeam, RecipeRun, RoslinTeam } from 'roslin/constructs'

/** Mails a token and waits until somebody gives it back: aws stepfunctions send-task-success --task-token … */
const askForLeave: FlowHook = (scope) =>
  SnsPublish.jsonata(scope, 'AskForLeave', {
    topic: new Topic(scope, 'Approvals', { enforceSSL: true }),
    integrationPattern: IntegrationPattern.WAIT_FOR_TASK_TOKEN,
    taskTimeout: Timeout.duration(Duration.hours(12)),
    message: TaskInput.fromObject({
      runId: '{% $states.context.Execution.Input.runId %}',
      plan: '{% $planUri %}',
      token: '{% $states.context.Task.Token %}',
    }),
  })

/** Announces what was evaluated, before it becomes a model version. */
const announce: FlowHook = (scope) =>
  SnsPublish.jsonata(scope, 'Announce', {
    topic: new Topic(scope, 'Evaluations', { enforceSSL: true }),
    message: TaskInput.fromObject({ runId: '{% $states.context.Execution.Input.runId %}' }),
  })

/** A larger flow that trains a model and uses it, and a person's leave before the GPUs start. */
export function addLargerFlow(app: App): Stack {
  const team = new RoslinTeam(app, 'Roslin', {
    team: parseTeam({
      name: 'speech',
      region: 'us-east-1',
      capacity: [{ instanceType: 'g5.12xlarge', purchase: 'spot' }, { instanceType: 'g5.12xlarge' }],
    }),
    hooks: { beforeTrain: askForLeave, afterEvaluate: announce },
  })

  const stack = new Stack(app, 'LargerFlow', { env: { region: 'us-east-1' } })
  const recipeRun = new RecipeRun(stack, 'RecipeRun', { team })
  const deployments = new Topic(stack, 'Deployments', { enforceSSL: true })

  const train = StepFunctionsStartExecution.jsonata(stack, 'Train', {
    stateMachine: recipeRun.stateMachine,
    integrationPattern: IntegrationPattern.RUN_JOB,
    input: TaskInput.fromObject({ recipe: '{% $states.input.recipe %}' }),
    outputs: '{% $states.result.Output %}',
  })
  const use = SnsPublish.jsonata(stack, 'Use', {
    topic: deployments,
    message: TaskInput.fromObject({ model: '{% $states.input.model %}' }),
  })
  new StateMachine(stack, 'Flow', {
    definitionBody: DefinitionBody.fromChainable(train.next(use)),
    timeout: Duration.days(31),
  })
  return stack
}
