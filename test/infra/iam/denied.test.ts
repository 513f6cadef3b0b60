import { describe, expect, it } from 'vitest'
import { isAllowed, type Role } from '../../support/iam.ts'
import { type Denied, deniedRequests } from './denied.ts'
import { deployTwoTeams } from './teams.ts'

const { deployed, own, other } = deployTwoTeams()
const denied = deniedRequests(own, other)

/** The roles that may do it. */
async function allowedTo(request: Denied, roles: readonly Role[]): Promise<string[]> {
  const names: string[] = []
  for (const role of roles) {
    if (await isAllowed(role, request, deployed)) names.push(role.name)
  }
  return names.sort()
}

describe('no role of a team may', () => {
  it.each(denied)('$what', async (request) => {
    // An exception that is none any more fails too.
    expect(await allowedTo(request, own.roles)).toEqual(Object.keys(request.except ?? {}).sort())
  })

  it('do at least forty things', () => {
    const forbidden = denied.filter(({ except }) => except === undefined)
    expect(new Set(forbidden.map(({ what }) => what)).size).toBeGreaterThanOrEqual(40)
  })
})

describe('the list', () => {
  const wide: Role = {
    name: 'TooWide',
    arn: 'arn:aws:iam::111122223333:role/TooWide',
    policies: [
      {
        name: 'everything',
        policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] },
      },
    ],
  }

  it('catches a role that may do everything, line by line', async () => {
    const missed: string[] = []
    for (const request of denied) {
      if ((await allowedTo(request, [wide])).length === 0) missed.push(request.what)
    }
    // Who may be a role, that role's own trust policy says: no policy of another helps.
    const byTrust = ["become another team's job", 'become another role of the team']
    // Nor does it with a key that answers to services alone.
    const byKey = ["decrypt with the team's key itself", "use the team's key through another service"]
    expect(missed.sort()).toEqual([...byTrust, ...byKey].sort())
  })

  it('refuses a request that there is not', async () => {
    await expect(
      isAllowed(wide, { action: 's3:GetObjects', resource: own.object('x') }, deployed),
    ).rejects.toThrow(/GetObjects/)
    await expect(isAllowed(wide, { action: 's3:GetObject', resource: own.table }, deployed)).rejects.toThrow(
      /GetObject/,
    )
  })
})
