import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { marshall } from '@aws-sdk/util-dynamodb'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'

const at = (hour: number) => `2026-11-24T${String(hour).padStart(2, '0')}:00:00.000Z`
const queued = {
  __edb_e__: 'run',
  team: 'speech',
  runId: '01JD0000000000000000000000',
  recipeName: 'parrot',
  status: 'queued',
  timeline: [{ status: 'queued', at: at(1) }],
}
const failed = {
  ...queued,
  status: 'failed',
  endedAt: at(2),
  failure: { class: 'internal', code: 'UNKNOWN', step: 'plan', message: 'No.', nextStep: 'Look.' },
  timeline: [...queued.timeline, { status: 'failed', at: at(2) }],
}
const running = { __edb_e__: 'attempt', runId: queued.runId, executions: [{ startedAt: at(2) }] }
const ended = {
  ...running,
  machine: { instanceType: 'p4d.24xlarge', purchase: 'spot', priceUsdPerHour: 10 },
  executions: [{ startedAt: at(2), stoppedAt: at(4) }],
}
const change = (before: object, after: object) => ({
  dynamodb: { OldImage: marshall(before), NewImage: marshall(after) },
})
const batch = { Records: [change(queued, failed), change(running, ended)] }

/** EventBridge, as far as the function asks it. */
let refuses = false
let eventBridge: Server
let handler: (event: unknown) => Promise<void>
const lines: Record<string, unknown>[] = []

beforeAll(async () => {
  eventBridge = createServer((_, response) => {
    response.setHeader('content-type', 'application/x-amz-json-1.1')
    response.end(JSON.stringify({ FailedEntryCount: refuses ? 1 : 0, Entries: [] }))
  })
  await new Promise<void>((resolve) => eventBridge.listen(0, '127.0.0.1', resolve))
  const { port } = eventBridge.address() as AddressInfo
  vi.stubEnv('AWS_ENDPOINT_URL_EVENTBRIDGE', `http://127.0.0.1:${port}`)
  vi.stubEnv('AWS_REGION', 'us-east-1')
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test')
  vi.stubEnv('TEAM', 'speech')
  vi.stubEnv('POWERTOOLS_LOG_LEVEL', 'INFO')
  // The libraries then write to the console of the test, not past it.
  vi.stubEnv('POWERTOOLS_DEV', 'true')
  vi.stubEnv('POWERTOOLS_METRICS_DISABLED', 'false')
  const collect = (line: string) => void lines.push(JSON.parse(line))
  for (const method of ['log', 'info', 'error'] as const)
    vi.spyOn(console, method).mockImplementation(collect)
  vi.resetModules()
  handler = (await import('../../lambdas/events/table-changed.ts')).handler
})

beforeEach(() => {
  lines.length = 0
  refuses = false
})

afterAll(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  eventBridge.close()
})

const emitted = () => lines.filter((line) => '_aws' in line)

describe("a batch of the table's changes", () => {
  it('is counted in CloudWatch’s embedded metric format, by team alone', async () => {
    await handler(batch)
    expect(emitted()).toMatchObject([
      {
        team: 'speech',
        InternalFailures: 1,
        GpuHours: 16,
        _aws: {
          CloudWatchMetrics: [
            {
              Namespace: 'Roslin',
              Dimensions: [['team']],
              Metrics: [
                { Name: 'InternalFailures', Unit: 'Count' },
                { Name: 'GpuHours', Unit: 'None' },
              ],
            },
          ],
        },
      },
    ])
  })

  it('leaves a line for each change of a run, with its id and the class of its failure', async () => {
    await handler(batch)
    expect(lines.filter(({ message }) => message === 'Roslin Run Status Change')).toMatchObject([
      { runId: queued.runId, team: 'speech', status: 'failed', failure: { class: 'internal' } },
    ])
  })

  it('is not counted when it could not be announced, for it comes again', async () => {
    refuses = true
    await expect(handler(batch)).rejects.toThrow('were not taken')
    expect(emitted()).toEqual([])
    refuses = false
    await handler(batch)
    expect(emitted()).toHaveLength(1)
  })

  it('without anything to count emits nothing', async () => {
    await handler({ Records: [change(failed, { ...failed, spentUsd: 3 })] })
    expect(emitted()).toEqual([])
  })
})
