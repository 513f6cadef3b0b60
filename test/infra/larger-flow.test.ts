import validate from 'asl-validator'
import { App } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { describe, expect, it } from 'vitest'
import { addLargerFlow } from '../../examples/larger-flow/larger-flow.ts'
import { resourcesOf } from '../support/stacks.ts'

describe('examples/larger-flow', () => {
  const template = Template.fromStack(addLargerFlow(new App()))

  /** By the construct that each comes from. */
  function definitions(): Record<string, ReturnType<typeof JSON.parse>> {
    return Object.fromEntries(
      resourcesOf(template, 'AWS::StepFunctions::StateMachine').map(([id, { Properties }]) => {
        const parts: readonly unknown[] = Properties.DefinitionString['Fn::Join'][1]
        const text = parts.map((part) => (typeof part === 'string' ? part : 'aws')).join('')
        return [id.replace(/[0-9A-F]{8}$/, ''), JSON.parse(text)]
      }),
    )
  }

  it('has two state machines of valid Amazon States Language', () => {
    expect(Object.keys(definitions()).sort()).toEqual(['Flow', 'RecipeRunStateMachine'])
    for (const definition of Object.values(definitions())) {
      const { errorsText, isValid } = validate(definition)
      expect(errorsText('\n')).toBe('')
      expect(isValid).toBe(true)
    }
  })

  it('waits for the run with startExecution.sync, and hands its model version on', () => {
    const { Train, Use } = definitions().Flow.States
    expect(Train.Resource).toMatch(/:states:::states:startExecution\.sync:2$/)
    expect(Train.Arguments.StateMachineArn).toBe('aws')
    expect(Train.Next).toBe('Use')
    expect(Use.Arguments.Message).toEqual({ model: '{% $states.input.model %}' })
  })

  it('may call two routes of the team’s API and no other', () => {
    const statements = resourcesOf(template, 'AWS::IAM::Policy').flatMap(
      ([, { Properties }]) => Properties.PolicyDocument.Statement,
    )
    const { Resource } = statements.find(({ Action }) => Action === 'execute-api:Invoke')
    const routes = Resource.map((arn: { 'Fn::Join': [string, unknown[]] }) => arn['Fn::Join'][1].at(-1))
    expect(routes).toEqual(['/*/POST/v1/runs', '/*/GET/v1/runs/*'])
  })
})
