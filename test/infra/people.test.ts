import { describe, expect, it } from 'vitest'
import { everyCapacity, resourcesOf, synthesise } from '../support/stacks.ts'

const operators = ['arn:aws:iam::111122223333:role/engineers', 'arn:aws:iam::111122223333:user/ada']
const { controlPlane } = synthesise({
  ...everyCapacity,
  people: { operators, sessionHours: 2, requireMfa: true },
})
const rolesOf = (template: typeof controlPlane) =>
  resourcesOf(template, 'AWS::IAM::Role').filter(([id]) => id.startsWith('People'))

describe("a team's people", () => {
  it('become operators only as the team file names them, with a second factor, for so long', () => {
    const roles = rolesOf(controlPlane)
    expect(roles.map(([id]) => id.slice(0, -8))).toEqual(['PeopleOperatorsRole'])
    expect(roles[0]?.[1].Properties).toMatchObject({
      MaxSessionDuration: 7200,
      AssumeRolePolicyDocument: {
        Statement: [
          {
            Action: 'sts:AssumeRole',
            Effect: 'Allow',
            Principal: { AWS: operators },
            Condition: { Bool: { 'aws:MultiFactorAuthPresent': 'true' } },
          },
        ],
      },
    })
  })

  it('have two policies that can be attached to anybody, also where the team names nobody', () => {
    const { controlPlane: alone } = synthesise()
    expect(rolesOf(alone)).toEqual([])
    const policies = resourcesOf(alone, 'AWS::IAM::ManagedPolicy').map(([id]) => id.slice(0, -8))
    expect(policies).toEqual(['PeopleOperate', 'PeopleView'])
    expect(Object.keys(alone.toJSON().Outputs)).toEqual(
      expect.arrayContaining(['OperatePolicyArn', 'ViewPolicyArn']),
    )
  })
})
