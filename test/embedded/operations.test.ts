import { CloudFormationClient, DescribeStackResourcesCommand } from '@aws-sdk/client-cloudformation'
import {
  CloudWatchLogsClient,
  type FilteredLogEvent,
  paginateFilterLogEvents,
} from '@aws-sdk/client-cloudwatch-logs'
import { beforeAll, describe, expect, it } from 'vitest'
import type { RunDetail } from '../../core/run-view.ts'
import { Deployment, TEAM } from '../support/deployment.ts'
import { eventually } from '../support/processes.ts'

let deployment: Deployment
let resources: { readonly id: string; readonly name: string; readonly type: string }[]
let run: RunDetail

beforeAll(async () => {
  deployment = await Deployment.open()
  const { StackResources = [] } = await new CloudFormationClient({}).send(
    new DescribeStackResourcesCommand({ StackName: `Roslin-${TEAM}-ControlPlane` }),
  )
  resources = StackResources.map(({ LogicalResourceId, PhysicalResourceId, ResourceType }) => ({
    id: LogicalResourceId ?? '',
    name: PhysicalResourceId ?? '',
    type: ResourceType ?? '',
  }))
  run = await deployment.start()
  await deployment.invoke('ReconcilerHandler', { time: new Date().toISOString() })
  run = await deployment.ended(run.runId)
})

/** The lines of a log group that are JSON, of this run or of the team. */
async function linesOf(construct: string): Promise<Record<string, unknown>[]> {
  const logGroupName =
    resources.find(({ id }) => new RegExp(`^${construct}[0-9A-F]{8}$`).test(id))?.name ?? ''
  // A page is not all: the tests before this one have written to the same groups.
  const pages = paginateFilterLogEvents(
    { client: new CloudWatchLogsClient({}) },
    { logGroupName, startTime: Date.parse(run.createdAt) },
  )
  const events: FilteredLogEvent[] = []
  for await (const page of pages) events.push(...(page.events ?? []))
  return events.flatMap(({ message = '' }) => {
    if (!message.startsWith('{')) return []
    try {
      return [JSON.parse(message)]
    } catch {
      return []
    }
  })
}

describe('a deployment', () => {
  it('has its alarms, its dashboard and its queries', () => {
    const count = (type: string) =>
      resources.filter((resource) => resource.type === type && resource.name).length
    expect(count('AWS::CloudWatch::Alarm')).toBe(9)
    expect(count('AWS::CloudWatch::Dashboard')).toBe(1)
    expect(count('AWS::Logs::QueryDefinition')).toBe(7)
  })

  it('emits how its runs and its money stand while one is open', async () => {
    const emitted = (await linesOf('ReconcilerHandlerLogs')).filter((line) => '_aws' in line)
    expect(emitted).toContainEqual(
      expect.objectContaining({ team: TEAM, StuckRuns: 0, CommittedUsd: expect.any(Number) }),
    )
  })
})

describe('a run is found by its id', () => {
  it.each([
    ['ApiHandlerLogs', { message: 'run opened' }],
    ['EventsBatchJobLogs', { message: 'job state', step: 'train', jobStatus: 'SUCCEEDED' }],
    ['EventsTableChangedLogs', { message: 'Roslin Run Status Change', status: 'succeeded' }],
  ])('in %s', async (construct, expected) => {
    // A run says its id in many lines: the one that is meant comes with the others, or a moment later.
    const wanted = expect.objectContaining({ ...expected, runId: run.runId, team: TEAM })
    await eventually(`${construct} has it`, async () =>
      (await linesOf(construct)).some((line) => wanted.asymmetricMatch(line)),
    )
  })
})
