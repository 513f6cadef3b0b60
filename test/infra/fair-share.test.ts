import { describe, expect, it } from 'vitest'
import { everyCapacity, onlyResource, resourcesOf, synthesise } from '../support/stacks.ts'

const { controlPlane: fair } = synthesise({
  ...everyCapacity,
  fairShare: { by: 'user', historyHours: 48, weights: { ian: 4 } },
})
const { controlPlane: plain } = synthesise()
const queues = (template: typeof fair) => resourcesOf(template, 'AWS::Batch::JobQueue')
const definitionOf = (template: typeof fair) =>
  JSON.stringify(onlyResource(template, 'AWS::StepFunctions::StateMachine').Properties)

describe('fair share', () => {
  it('is a policy of all queues, with the team’s weights as Batch counts them', () => {
    const [id, policy] = resourcesOf(fair, 'AWS::Batch::SchedulingPolicy')[0] ?? []
    expect(policy?.Properties.FairsharePolicy).toEqual({
      ShareDecaySeconds: 48 * 3600,
      ShareDistribution: [{ ShareIdentifier: 'ian', WeightFactor: 0.25 }],
    })
    for (const [, { Properties }] of queues(fair)) {
      expect(Properties.SchedulingPolicyArn).toEqual({ 'Fn::GetAtt': [id, 'Arn'] })
    }
  })

  it('makes other queues than those without it, which Batch lets have no policy later', () => {
    const plainIds = queues(plain).map(([id]) => id)
    expect(queues(fair).filter(([id]) => plainIds.includes(id))).toEqual([])
  })

  it('has a share sent with every job, and where it is off nothing: such queues would refuse it', () => {
    const submitted = definitionOf(fair).match(/batch:submitJob\.sync/g)?.length ?? 0
    expect(submitted).toBeGreaterThanOrEqual(3)
    expect(definitionOf(fair).match(/ShareIdentifier/g)).toHaveLength(submitted)
    expect(definitionOf(plain)).not.toContain('ShareIdentifier')
    expect(resourcesOf(plain, 'AWS::Batch::SchedulingPolicy')).toEqual([])
  })

  it('is known to the step that plans', () => {
    const by = (template: typeof fair) =>
      resourcesOf(template, 'AWS::Lambda::Function').find(([id]) => id.startsWith('FlowPlan'))?.[1].Properties
        .Environment.Variables.FAIR_SHARE_BY
    expect(by(fair)).toBe('user')
    expect(by(plain)).toBeUndefined()
  })
})
