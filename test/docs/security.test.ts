import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { deployTwoTeams } from '../infra/iam/teams.ts'
import { root } from '../support/checked-in.ts'
import type { Deployed } from '../support/deployed.ts'

const { deployed, own } = deployTwoTeams()

interface Statement {
  readonly Action: string | readonly string[]
  readonly Principal: { readonly Service?: string; readonly AWS?: string }
}

const statementsOf = (document: unknown) => (document as { Statement: readonly Statement[] }).Statement

/** A row of the table of roles: who may be it, and the services that it may call. */
function rowOf(role: (typeof own.roles)[number], { properties }: Deployed): string[] {
  const trusted = statementsOf(properties.AssumeRolePolicyDocument).map(({ Principal: { Service } }) =>
    Service ? Service.replace('.amazonaws.com', '') : 'people',
  )
  const actions = role.policies.flatMap(({ policy }) =>
    statementsOf(policy).flatMap(({ Action }) => [Action].flat()),
  )
  const services = [...new Set(actions.map((action) => action.split(':')[0] ?? ''))].sort()
  return [`\`${role.name}\``, [...new Set(trusted)].join(', '), services.join(' ')]
}

const document = readFileSync(join(root, 'docs/security.md'), 'utf8')
const table = document
  .split('\n')
  .filter((line) => /^\| `\w+Role` \|/.test(line))
  .map((line) =>
    line
      .split('|')
      .slice(1, 4)
      .map((cell) => cell.trim()),
  )

describe('docs/security.md', () => {
  it('has every role, who may be it, and the services that it may call', () => {
    const rows = own.roles.map((role) => {
      const resource = deployed.find(({ arn }) => arn === role.arn)
      if (!resource) throw new Error(`there is no ${role.arn}`)
      return rowOf(role, resource)
    })
    expect(table.toSorted()).toEqual(rows.toSorted())
  })
})
