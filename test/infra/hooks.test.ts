import validate from 'asl-validator'
import { App } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { Fail, Pass, TaskInput } from 'aws-cdk-lib/aws-stepfunctions'
import { SnsPublish } from 'aws-cdk-lib/aws-stepfunctions-tasks'
import { describe, expect, it } from 'vitest'
import { flowDefinition } from '../../infra/constructs/flow-definition.ts'
import { parseTeam, RoslinTeam } from '../../infra/constructs.ts'
import { everyCapacity, onlyResource, resourcesOf } from '../support/stacks.ts'

const app = new App()
const team = new RoslinTeam(app, 'Roslin', {
  team: parseTeam(everyCapacity),
  hooks: {
    beforeTrain: (scope) =>
      Pass.jsonata(scope, 'Look').next(
        SnsPublish.jsonata(scope, 'Tell', {
          topic: new Topic(scope, 'Topic'),
          message: TaskInput.fromText('Now.'),
        }),
      ),
    afterEvaluate: (scope) => new Fail(scope, 'Refuse', { error: 'NotGoodEnough' }),
  },
})
const template = Template.fromStack(team.controlPlane)

/** The state machine's definition, with a word in place of each name that only a deployment gives. */
function definition() {
  const { DefinitionString } = onlyResource(template, 'AWS::StepFunctions::StateMachine').Properties
  const parts: readonly unknown[] = DefinitionString['Fn::Join'][1]
  return JSON.parse(parts.map((part) => (typeof part === 'string' ? part : 'aws')).join(''))
}

describe('a team in an app of somebody else’s', () => {
  it('has the stacks by the names that the command line knows', () => {
    expect([team.state.stackName, team.controlPlane.stackName]).toEqual([
      'Roslin-speech-State',
      'Roslin-speech-ControlPlane',
    ])
  })

  it('has hooks before the first training job and before the registration, and is valid', () => {
    const { States } = definition()
    expect(States.Prepare.Next).toBe('BeforeTrain')
    expect(States.BeforeTrain).toMatchObject({ Type: 'Parallel', Next: 'ChooseTrain', Output: {} })
    expect(Object.keys(States.BeforeTrain.Branches[0].States)).toEqual(['Look', 'Tell'])
    expect(States.Evaluate.Next).toBe('AfterEvaluate')
    expect(States.AfterEvaluate).toMatchObject({ Type: 'Parallel', Next: 'Register' })
    const { isValid, errorsText } = validate(definition())
    expect(errorsText('\n')).toBe('')
    expect(isValid).toBe(true)
  })

  it('passes the hooks on the way of a run that goes on, and not when training is tried again', () => {
    const { Begin, Recover } = definition().States
    const next = Object.fromEntries(
      [...Begin.Choices, ...Recover.Choices].map(({ Condition, Next }) => [Condition, Next]),
    )
    expect(next).toMatchObject({
      "{% $from = 'train' %}": 'BeforeTrain',
      "{% $from = 'register' %}": 'AfterEvaluate',
      "{% $failedStep = 'train' %}": 'ChooseTrain',
    })
  })

  it.each([
    ['BeforeTrain', 'beforeTrain'],
    ['AfterEvaluate', 'afterEvaluate'],
  ])('sends any error of %s to Fail', (state, failedStep) => {
    expect(definition().States[state].Catch).toEqual([
      {
        ErrorEquals: ['States.ALL'],
        Assign: { failedStep, error: '{% $states.errorOutput %}', failure: null },
        Next: 'Fail',
      },
    ])
  })

  it('lets the flow do what its hooks do', () => {
    const actions = resourcesOf(template, 'AWS::IAM::Policy').flatMap(([id, { Properties }]) =>
      id.startsWith('FlowStateMachine') ? Properties.PolicyDocument.Statement : [],
    )
    expect(actions).toContainEqual(expect.objectContaining({ Action: 'sns:Publish' }))
  })
})

it('a flow without hooks has no trace of them', () => {
  const arn = 'arn:aws:lambda:us-east-1:123456789012:function:f'
  const { States } = flowDefinition({
    team: 'speech',
    planFunctionArn: arn,
    registerFunctionArn: arn,
    classifyFunctionArn: arn,
    failFunctionArn: arn,
  })
  expect(Object.keys(States)).not.toContain('BeforeTrain')
  expect(Object.keys(States)).not.toContain('AfterEvaluate')
})
