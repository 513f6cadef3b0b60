import { describe, expect, it } from 'vitest'
import { isAllowed, type Role } from '../../support/iam.ts'
import { requiredRequests } from './required.ts'
import { deployTwoTeams } from './teams.ts'

const { deployed, own } = deployTwoTeams()
const required = requiredRequests(own)

async function refusedTo(role: Role): Promise<string[]> {
  const refused: string[] = []
  for (const request of required[role.name] ?? []) {
    if (!(await isAllowed(role, request, deployed))) refused.push(`${request.action} on ${request.resource}`)
  }
  return refused
}

describe('what each role must do is allowed', () => {
  it('and no role is left out', () => {
    expect(Object.keys(required).sort()).toEqual(own.roles.map(({ name }) => name).sort())
  })

  it.each(own.roles)('$name', async (role) => {
    expect(await refusedTo(role)).toEqual([])
  })

  it('and not to a role that has no policy', async () => {
    const bare = { ...own.role('FlowPlanRole'), policies: [] }
    expect(await refusedTo(bare)).toHaveLength(required.FlowPlanRole?.length ?? 0)
  })
})
