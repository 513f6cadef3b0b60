import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../../support/checked-in.ts'
import { deploy } from '../../support/deployed.ts'
import { isAllowed } from '../../support/iam.ts'
import { requiredRequests } from './required.ts'
import { everyRole, stacksOf, Team } from './teams.ts'

const ARN = 'arn:aws:iam::111122223333:policy/developers'
const identity = { permissionsBoundaryArn: ARN, rolePath: '/roslin/' }
const deployed = deploy(stacksOf('speech', { ...everyRole('speech'), identity }))

/** The team where the account's boundary is this. */
const teamWithin = (boundary: unknown) => new Team('speech', deployed, { [ARN]: boundary })

const [, shown = ''] =
  /```json\n([\s\S]*?)```/.exec(readFileSync(join(root, 'docs/security.md'), 'utf8')) ?? []
const boundary = JSON.parse(shown)

describe('a team with a permissions boundary and a path', () => {
  it('has both on every role', () => {
    const roles = deployed.filter(({ type }) => type === 'AWS::IAM::Role')
    expect(roles.length).toBeGreaterThan(20)
    for (const { id, properties } of roles) {
      expect({ id, boundary: properties.PermissionsBoundary, path: properties.Path }).toEqual({
        id,
        boundary: ARN,
        path: '/roslin/',
      })
    }
  })

  it('has the path on the instance profiles and the policies for people too', () => {
    const others = deployed.filter(({ type }) => /IAM::(InstanceProfile|ManagedPolicy)$/.test(type))
    expect(others.length).toBeGreaterThan(2)
    expect(new Set(others.map(({ properties }) => properties.Path))).toEqual(new Set(['/roslin/']))
  })

  it('works within the boundary that docs/security.md shows', async () => {
    const team = teamWithin(boundary)
    const refused: string[] = []
    for (const [name, requests] of Object.entries(requiredRequests(team))) {
      for (const request of requests) {
        if (!(await isAllowed(team.role(name), request, deployed))) {
          refused.push(`${name}: ${request.action}`)
        }
      }
    }
    expect(refused).toEqual([])
  })

  it('does nothing that its boundary leaves out', async () => {
    const [statement] = boundary.Statement
    const Action = statement.Action.filter((action: string) => !action.startsWith('s3:'))
    const team = teamWithin({ ...boundary, Statement: [{ ...statement, Action }] })
    const writing = { action: 's3:PutObject', resource: team.object('runs/01JRUN/metrics.json') }
    expect(await isAllowed(team.role('JobstrainRole'), writing, deployed)).toBe(false)
  })
})
