import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CloudFormationClient, DescribeStackResourcesCommand } from '@aws-sdk/client-cloudformation'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cdk } from '../support/cdk.ts'
import { Deployment, TEAM } from '../support/deployment.ts'
import { synthesiseBesideDemo } from '../support/stacks.ts'

/** Named in what is the team's own: its API, and its group of schedules. */
const NAMED_IN_ANOTHER = ['AWS::ApiGatewayV2::Stage', 'AWS::Scheduler::Schedule']

const OTHER = 'search'
const demo = await Deployment.open()
const home = mkdtempSync(join(tmpdir(), 'roslin-two-teams-'))
let other: Deployment

beforeAll(async () => {
  const args = ['deploy', '--app', synthesiseBesideDemo(OTHER), '--all', '--require-approval', 'never']
  const { code, stderr } = await cdk(demo.env, home, ...args)
  if (code !== 0) throw new Error(stderr)
  other = await Deployment.open(undefined, OTHER)
}, 120_000)

afterAll(() => rmSync(home, { recursive: true, force: true }))

/** What CloudFormation has made for a team, under the names that it has in the account. */
async function resourcesOf(team: string): Promise<string[]> {
  const client = new CloudFormationClient({})
  const stacks = await Promise.all(
    ['State', 'ControlPlane'].map((stack) =>
      client.send(new DescribeStackResourcesCommand({ StackName: `Roslin-${team}-${stack}` })),
    ),
  )
  return stacks
    .flatMap(({ StackResources = [] }) => StackResources)
    .filter(({ ResourceType = '' }) => !NAMED_IN_ANOTHER.includes(ResourceType))
    .map(({ ResourceType, PhysicalResourceId }) => `${ResourceType} ${PhysicalResourceId}`)
}

// Who may reach what is IAM's to say, and the embedded AWS does not ask it: test/infra/iam does.
describe('two teams in one account, alike in all but their names', () => {
  it('have no resource in common', async () => {
    const [ofDemo, ofOther] = await Promise.all([resourcesOf(TEAM), resourcesOf(OTHER)])
    expect(ofDemo.length).toBeGreaterThan(100)
    expect(ofOther).toHaveLength(ofDemo.length)
    expect(ofOther.filter((resource) => ofDemo.includes(resource))).toEqual([])
  })

  it('do not see each other’s runs, models and files, though both train the same recipe', async () => {
    const recipe = { name: 'of-both' }
    const [ours, theirs] = await Promise.all([demo.start('', recipe), other.start('', recipe)])
    const ended = await Promise.all([demo.ended(ours.runId), other.ended(theirs.runId)])
    expect(ended.map(({ status }) => status)).toEqual(['succeeded', 'succeeded'])

    for (const [team, runId, foreign] of [
      [demo, ours.runId, theirs.runId],
      [other, theirs.runId, ours.runId],
    ] as const) {
      const { runs } = await team.client.listRuns(50, undefined, { recipe: 'of-both' })
      expect(runs.map((run) => run.runId)).toEqual([runId])
      await expect(team.client.getRun(foreign)).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' })
      await expect(team.client.cancelRun(foreign, true)).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' })
      const { versions } = await team.client.listModelVersions('of-both', 50, undefined)
      expect(versions.map((version) => version.runId)).toEqual([runId])
      expect(await team.keys(`runs/${foreign}/`)).toEqual([])
      expect((await team.keys(`runs/${runId}/`)).length).toBeGreaterThan(0)
    }
  })

  it('start their own run for the same Idempotency-Key', async () => {
    const body = (team: Deployment) => team.recipe().then((recipe) => JSON.stringify({ recipe }))
    const ids = await Promise.all(
      [demo, other].map(async (team) => {
        const headers = { 'content-type': 'application/json', 'idempotency-key': 'the-same-for-both-teams' }
        const response = await team.request('POST', '/v1/runs', await body(team), headers)
        expect(response.status).toBe(201)
        return ((await response.json()) as { runId: string }).runId
      }),
    )
    expect(new Set(ids).size).toBe(2)
    const ended = await Promise.all([demo.ended(ids[0] ?? ''), other.ended(ids[1] ?? '')])
    expect(ended.map(({ status }) => status)).toEqual(['succeeded', 'succeeded'])
  })
})
