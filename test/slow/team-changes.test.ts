import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CloudFormationClient, DescribeStackResourcesCommand } from '@aws-sdk/client-cloudformation'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { Emulator } from '../../local/emulator.ts'
import { cdk } from '../support/cdk.ts'
import type { Deployment as DeploymentType } from '../support/deployment.ts'
import { JOB_SLOTS, stubImage } from '../support/embedded-aws.ts'
import { freePort, gone, processesOf } from '../support/processes.ts'
import { synthesiseDemo } from '../support/stacks.ts'
import { teamFiles } from '../support/team-templates.ts'

// An emulator of this file's own, to be deployed to. local/paths.ts reads the folder when it is imported.
const stateDir = join(mkdtempSync(join(tmpdir(), 'roslin-team-changes-')), 'state')
process.env.ROSLIN_STATE_DIR = stateDir
const { startEmulator } = await import('../../local/emulator.ts')
const { Deployment } = await import('../support/deployment.ts')

const { account, region, deployedState } = inject('embedded')
let emulator: Emulator
let deployment: DeploymentType

beforeAll(async () => {
  cpSync(deployedState, stateDir, { recursive: true })
  const port = await freePort()
  emulator = await startEmulator({ port, images: stubImage, jobSlots: JOB_SLOTS, background: false })
  deployment = await Deployment.open({ port, account, region })
})

afterAll(async () => {
  await emulator.stop()
  await gone('the emulator', () => processesOf(stateDir))
  rmSync(join(stateDir, '..'), { recursive: true, force: true })
})

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
  const run = (...args: string[]) => cdk(deployment.env, join(stateDir, 'cdk-home'), ...args)

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
