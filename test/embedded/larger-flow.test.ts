import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  DescribeStateMachineCommand,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn'
import { describe, expect, it } from 'vitest'
import { type Branch, flowDefinition } from '../../infra/constructs/flow-definition.ts'
import { recipeRunDefinition } from '../../infra/constructs/recipe-run-definition.ts'
import { Deployment } from '../support/deployment.ts'
import { eventually } from '../support/processes.ts'
import { Scenarios } from '../support/scenarios.ts'

const deployment = await Deployment.open()
const { sfn } = deployment

async function createMachine(name: string, definition: object): Promise<string> {
  const { stateMachineArn = '' } = await sfn.send(
    new CreateStateMachineCommand({
      name,
      definition: JSON.stringify(definition),
      roleArn: 'arn:aws:iam::000000000000:role/test',
    }),
  )
  return stateMachineArn
}

async function startMachine(stateMachineArn: string, input: object, name?: string): Promise<string> {
  const { executionArn = '' } = await sfn.send(
    new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) }),
  )
  return executionArn
}

const ended = (executionArn: string) =>
  eventually('the larger flow ends', async () => {
    const execution = await sfn.send(new DescribeExecutionCommand({ executionArn }))
    return execution.status === 'RUNNING' ? undefined : execution
  })

describe('a larger flow', async () => {
  const apiEndpoint = `${deployment.apiUrl.split('/').at(-1)}.execute-api.us-east-1.amazonaws.com`
  const recipeRun = await createMachine('recipe-run', recipeRunDefinition({ apiEndpoint, pollSeconds: 1 }))
  const larger = await createMachine('larger', {
    QueryLanguage: 'JSONata',
    StartAt: 'Train',
    States: {
      Train: {
        Type: 'Task',
        Resource: 'arn:aws:states:::states:startExecution.sync:2',
        Arguments: { StateMachineArn: recipeRun, Input: { recipe: '{% $states.input.recipe %}' } },
        Output: '{% $states.result.Output %}',
        Next: 'Use',
      },
      Use: { Type: 'Pass', Output: { uses: '{% $states.input.model.uri %}' }, End: true },
    },
  })

  it('runs a recipe, and goes on with the model version of the run', async () => {
    const { status, output = '' } = await ended(
      await startMachine(larger, { recipe: await deployment.recipe() }),
    )
    const { runs } = await deployment.client.listRuns(1, undefined)
    expect(status).toBe('SUCCEEDED')
    expect(runs[0]).toMatchObject({ status: 'succeeded', model: { uri: JSON.parse(output).uses } })
  })

  it('fails with the code of a run that fails', async () => {
    const recipe = await deployment.recipe('train:exit=10')
    const { status, error, cause } = await ended(await startMachine(recipeRun, { recipe }))
    const { runs } = await deployment.client.listRuns(1, undefined)
    expect({ status, error }).toEqual({ status: 'FAILED', error: runs[0]?.failure?.code })
    expect(cause).toContain(`Run ${runs[0]?.runId} failed: `)
  })
})

describe('hooks', () => {
  async function hooked(hooks: Record<string, Branch>): Promise<string> {
    const { definition = '' } = await sfn.send(
      new DescribeStateMachineCommand({ stateMachineArn: deployment.aliasArn.replace(/:live$/, '') }),
    )
    const { States } = JSON.parse(definition)
    const arn = (state: string) => States[state].Arguments.FunctionName
    const own = flowDefinition({
      team: 'demo',
      planFunctionArn: arn('Plan'),
      registerFunctionArn: arn('Register'),
      classifyFunctionArn: arn('Classify'),
      failFunctionArn: arn('Fail'),
      hooks,
    })
    return createMachine('hooked', own)
  }

  it('run with the plan at hand before training, and end a run after its evaluation', async () => {
    const machine = await hooked({
      beforeTrain: {
        StartAt: 'HasPlan',
        States: {
          HasPlan: {
            Type: 'Choice',
            Choices: [
              { Condition: '{% $contains($states.input.planUri, $states.input.runId) %}', Next: 'Fine' },
            ],
            Default: 'NoPlan',
          },
          Fine: { Type: 'Succeed' },
          NoPlan: { Type: 'Fail', Error: 'NoPlan', Cause: 'There is none.' },
        },
      },
      afterEvaluate: {
        StartAt: 'Refuse',
        States: { Refuse: { Type: 'Fail', Error: 'NotGoodEnough', Cause: 'Its answers are worse.' } },
      },
    })
    const runId = await new Scenarios(deployment).store()
    await startMachine(machine, { runId, execution: 0 }, runId)
    const run = await deployment.ended(runId)
    expect(run).toMatchObject({
      status: 'failed',
      failure: { step: 'afterEvaluate', code: 'NotGoodEnough' },
    })
    expect(run.failure?.message).toContain('Its answers are worse.')
    expect(run.attempts.map(({ step, jobStatus }) => [step, jobStatus])).toEqual([
      ['prepare', 'SUCCEEDED'],
      ['train', 'SUCCEEDED'],
      ['evaluate', 'SUCCEEDED'],
    ])
  })
})
