import validate from 'asl-validator'
import type { Template } from 'aws-cdk-lib/assertions'
import { describe, expect, it } from 'vitest'
import { flowDefinition } from '../../infra/constructs/flow-definition.ts'
import { everyCapacity, onlyResource, resourcesOf, synthesise } from '../support/stacks.ts'

interface State {
  readonly Type: string
  readonly Next?: string
  readonly Default?: string
  readonly TimeoutSeconds?: unknown
  readonly Retry?: readonly { readonly ErrorEquals: readonly string[]; readonly MaxAttempts: number }[]
  readonly Catch?: readonly { readonly ErrorEquals: readonly string[]; readonly Next: string }[]
}

const definition = flowDefinition({
  team: 'speech',
  planFunctionArn: 'arn:aws:lambda:us-east-1:123456789012:function:plan',
  registerFunctionArn: 'arn:aws:lambda:us-east-1:123456789012:function:register',
  classifyFunctionArn: 'arn:aws:lambda:us-east-1:123456789012:function:classify',
  failFunctionArn: 'arn:aws:lambda:us-east-1:123456789012:function:fail',
})
const states: Readonly<Record<string, State>> = definition.States
const tasks = Object.entries(states).filter(([, { Type }]) => Type === 'Task')
const { controlPlane } = synthesise()

describe('the flow', () => {
  it('is valid Amazon States Language', () => {
    const { isValid, errorsText } = validate(structuredClone(definition))
    expect(errorsText('\n')).toBe('')
    expect(isValid).toBe(true)
  })

  it('is JSONata throughout', () => {
    expect(definition.QueryLanguage).toBe('JSONata')
    const text = JSON.stringify(definition)
    expect(text).not.toMatch(
      /"[A-Za-z]+\.\$"|"(InputPath|OutputPath|ResultPath|ResultSelector|Parameters)":"/,
    )
  })

  it('goes from Plan through every step to Succeeded', () => {
    const path: string[] = []
    const after = (name: string) => states[name]?.Next ?? states[name]?.Default
    for (let at: string | undefined = definition.StartAt; at; at = after(at)) path.push(at)
    expect(path).toEqual([
      'Plan',
      'Begin',
      'Prepare',
      'ChooseTrain',
      'Train',
      'Evaluate',
      'Register',
      'Succeeded',
    ])
  })

  it('has an end: as a whole, and in every state that can wait', () => {
    expect(definition.TimeoutSeconds).toBeGreaterThan(0)
    expect(tasks.map(([name]) => name)).toEqual([
      'Plan',
      'Prepare',
      'Train',
      'TrainOnNodes',
      'Evaluate',
      'Register',
      'Classify',
      'Fail',
    ])
    for (const [, { TimeoutSeconds }] of tasks) expect(TimeoutSeconds).toBeTruthy()
    const waiting = Object.values(states).filter(
      ({ Type }) => !['Task', 'Choice', 'Succeed', 'Fail'].includes(Type),
    )
    expect(waiting).toEqual([])
  })

  it.each([
    ['Plan', 'Fail'],
    ['Prepare', 'Classify'],
    ['Train', 'Classify'],
    ['TrainOnNodes', 'Classify'],
    ['Evaluate', 'Classify'],
    ['Register', 'Fail'],
  ])('%s leads to %s on any error, and says whose it is', (name, next) => {
    expect(states[name]?.Catch).toEqual([
      {
        ErrorEquals: ['States.ALL'],
        Assign: { failedStep: expect.any(String), error: '{% $states.errorOutput %}', failure: null },
        Next: next,
      },
    ])
  })

  it('fails with the first error where Classify itself fails', () => {
    expect(states.Classify?.Catch).toEqual([{ ErrorEquals: ['States.ALL'], Next: 'Fail' }])
  })

  it('goes from Classify to the step that failed, or to Fail', () => {
    const { Choices, Default } = definition.States.Recover
    expect(Choices.map(({ Next }) => Next)).toEqual(['Fail', 'Prepare', 'ChooseTrain'])
    expect(Default).toBe('Evaluate')
  })

  it('names each step after itself when it fails', () => {
    const named = tasks.flatMap(([name, { Catch }]) =>
      (name === 'Classify' ? [] : (Catch ?? [])).map((entry) => [
        name.replace('OnNodes', '').toLowerCase(),
        Reflect.get(entry, 'Assign').failedStep,
      ]),
    )
    expect(named).toEqual(named.map(([name]) => [name, name]))
  })

  it('ends as failed after Fail, so that nobody takes its execution for a success', () => {
    expect(states.Fail?.Next).toBe('Failed')
    expect(states.Failed?.Type).toBe('Fail')
  })

  it('begins with the step that a run goes on with, and with Prepare where it is new', () => {
    const { Choices, Default } = definition.States.Begin
    expect(Choices.map(({ Next }) => Next)).toEqual(['ChooseTrain', 'Evaluate', 'Register'])
    expect(Default).toBe('Prepare')
  })

  it('submits a job again only where Batch itself failed: a job that failed is for Classify', () => {
    for (const step of ['Prepare', 'Train', 'TrainOnNodes', 'Evaluate']) {
      const retried = states[step]?.Retry?.flatMap(({ ErrorEquals }) => ErrorEquals)
      expect(retried).toContain('Batch.AWSBatchException')
      for (const name of retried ?? []) expect(name).toMatch(/^(Lambda|Batch)\./)
    }
  })

  it.each(['Plan', 'Register', 'Classify', 'Fail'])('sends %s again unless it has refused', (step) => {
    const [refused, ...others] = states[step]?.Retry ?? []
    expect(refused?.MaxAttempts).toBe(0)
    expect(refused?.ErrorEquals).toEqual(expect.arrayContaining(['DATASET_INVALID', 'NO_CAPACITY_FITS']))
    expect(refused?.ErrorEquals).not.toContain('HUB_UNREACHABLE')
    expect(others.at(-1)).toMatchObject({ ErrorEquals: ['States.ALL'], MaxAttempts: 3 })
  })

  it('gives a container the place of its plan, the name of its step, and which try on which option it is', () => {
    for (const step of ['Prepare', 'Train', 'Evaluate']) {
      const { Environment } = Reflect.get(states[step] ?? {}, 'Arguments').ContainerOverrides
      expect(Environment).toEqual([
        { Name: 'ROSLIN_PLAN_URI', Value: '{% $planUri %}' },
        { Name: 'ROSLIN_STEP', Value: step.toLowerCase() },
        { Name: 'ROSLIN_ATTEMPT', Value: '{% $string($progress.attempt + 1) %}' },
        { Name: 'ROSLIN_CAPACITY_OPTION', Value: '{% $string($progress.option) %}' },
      ])
    }
  })
})

describe('training on several nodes', () => {
  const train = Reflect.get(states.Train ?? {}, 'Arguments')
  const onNodes = Reflect.get(states.TrainOnNodes ?? {}, 'Arguments')

  it('is chosen where the plan has more than one', () => {
    const { Choices, Default } = definition.States.ChooseTrain
    expect(Choices).toEqual([
      { Condition: '{% $jobs.train[$progress.option].nodes > 1 %}', Next: 'TrainOnNodes' },
    ])
    expect(Default).toBe('Train')
  })

  it('is the same job in all but where its overrides are: Batch takes those of a range of nodes alone', () => {
    const { ContainerOverrides, ...job } = train
    const { NodeOverrides, ...jobOnNodes } = onNodes
    expect(jobOnNodes).toEqual(job)
    expect(NodeOverrides).toEqual({
      NumNodes: '{% $jobs.train[$progress.option].nodes %}',
      NodePropertyOverrides: [{ TargetNodes: '0:', ContainerOverrides }],
    })
    const { Arguments: _, ...state } = states.Train as State & { Arguments: unknown }
    expect(states.TrainOnNodes).toMatchObject(state)
  })
})

describe('the state machine', () => {
  const versionIds = (template: Template) =>
    resourcesOf(template, 'AWS::StepFunctions::StateMachineVersion').map(([id]) => id)

  it('is STANDARD, traced, and logs everything but payloads', () => {
    expect(onlyResource(controlPlane, 'AWS::StepFunctions::StateMachine').Properties).toMatchObject({
      StateMachineType: 'STANDARD',
      TracingConfiguration: { Enabled: true },
      LoggingConfiguration: { Level: 'ALL', IncludeExecutionData: false },
    })
  })

  it('is started by its alias live, which points to a published version', () => {
    const [version] = versionIds(controlPlane)
    const [aliasId, alias] = resourcesOf(controlPlane, 'AWS::StepFunctions::StateMachineAlias')[0] ?? []
    expect(alias?.Properties).toEqual({
      Name: 'live',
      RoutingConfiguration: [{ StateMachineVersionArn: { 'Fn::GetAtt': [version, 'Arn'] }, Weight: 100 }],
    })
    const handler = resourcesOf(controlPlane, 'AWS::Lambda::Function').find(([id]) =>
      id.startsWith('ApiHandler'),
    )
    const { Variables } = handler?.[1].Properties.Environment ?? {}
    expect(JSON.stringify(Variables.STATE_MACHINE_ALIAS_ARN)).toContain(aliasId)
  })

  it('keeps its published versions for the runs under way, and those of the functions that they call', () => {
    const versions = resourcesOf(controlPlane).filter(([, { Type }]) =>
      ['AWS::StepFunctions::StateMachineVersion', 'AWS::Lambda::Version'].includes(Type),
    )
    expect(versions).toHaveLength(5)
    for (const [, { DeletionPolicy, UpdateReplacePolicy }] of versions) {
      expect([DeletionPolicy, UpdateReplacePolicy]).toEqual(['RetainExceptOnCreate', 'Retain'])
    }
  })

  it('calls each function by its version: one that is deployed later is another flow’s', () => {
    const { DefinitionString } = onlyResource(controlPlane, 'AWS::StepFunctions::StateMachine').Properties
    const functions = DefinitionString['Fn::Join'][1].filter((part: unknown) =>
      JSON.stringify(part).includes('Flow'),
    )
    const published = resourcesOf(controlPlane, 'AWS::Lambda::Version').map(([Ref]) => ({ Ref }))
    expect(functions).toHaveLength(4)
    expect(functions).toEqual(expect.arrayContaining(published))
  })

  it('has the same version for the same definition, and another one for another', () => {
    expect(versionIds(synthesise().controlPlane)).toEqual(versionIds(controlPlane))
    const renamed = synthesise({ ...everyCapacity, name: 'vision' })
    expect(versionIds(renamed.controlPlane)).not.toEqual(versionIds(controlPlane))
  })

  it('has another version for another image: Plan would go on with the former revision of its jobs', () => {
    const plans = (template: Template) =>
      resourcesOf(template, 'AWS::Lambda::Version').filter(([id]) => id.startsWith('FlowPlan'))
    const image = `registry.example/trainer@sha256:${'b'.repeat(64)}`
    const other = synthesise({ ...everyCapacity, trainerImage: image }).controlPlane
    expect(plans(other)).not.toEqual(plans(controlPlane))
    expect(versionIds(other)).not.toEqual(versionIds(controlPlane))
  })
})
