import { join } from 'node:path'
import { CloudFormationClient, DescribeStackResourcesCommand } from '@aws-sdk/client-cloudformation'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cdk } from '../support/cdk.ts'
import type { Deployment } from '../support/deployment.ts'
import { OwnEmulator } from '../support/own-emulator.ts'
import { synthesiseDemo } from '../support/stacks.ts'
import { teamFiles } from '../support/team-templates.ts'

const own = new OwnEmulator('team-changes')
let deployment: Deployment

beforeAll(async () => {
  deployment = await own.start()
})

afterAll(() => own.remove())

describe('a team that becomes another', () => {
  const stored = async () => {
    const { StackResources = [] } = await new CloudFormationClient({}).send(
      new DescribeStackResourcesCommand({ StackName: 'Roslin-demo-State' }),
    )
    return StackResources.map(({ LogicalResourceId, PhysicalResourceId }) => [
      LogicalResourceId,
      PhysicalResourceId,
    ])
  }
  const run = (...args: string[]) => cdk(deployment.env, join(own.stateDir, 'cdk-home'), ...args)

  // That the templates keep them is a unit test's (test/infra/teams.test.ts); here they are deployed.
  it('keeps its table, its bucket and its runs, and cdk diff says so before', {
    timeout: 600_000,
  }, async () => {
    const { runId } = await deployment.ended((await deployment.start()).runId)
    const before = await stored()
    expect(before.length).toBeGreaterThan(2)
    for (const [name, file] of teamFiles) {
      const app = synthesiseDemo(file)
      const diff = await run('diff', '--app', app, '--method', 'template')
      expect(diff.code, diff.stderr).toBe(0)
      const [state = ''] = (diff.stdout + diff.stderr).split('Stack Roslin-demo-ControlPlane')
      expect(state, name).toContain('Stack Roslin-demo-State')
      expect(state, name).not.toMatch(/^\[-\]|replace|destroy/m)
      const deployed = await run('deploy', '--app', app, '--all', '--require-approval', 'never')
      expect(deployed.code, deployed.stderr).toBe(0)
      expect(await stored(), name).toEqual(before)
    }
    expect((await deployment.client.getRun(runId)).status).toBe('succeeded')
  })
})
