import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { endChaos, readChaos, setChaos } from '../../../local/chaos.ts'
import { Deployment, trainJobs } from '../../support/deployment.ts'
import { priceOf, Scenarios } from '../../support/scenarios.ts'

const deployment = await Deployment.open()
const scenarios = new Scenarios(deployment)
afterAll(async () => {
  await endChaos(deployment.port)
  await scenarios.booksBalance()
})

const fail = (service: string, error: string, times: number, more: object = {}) => ({
  kind: 'fail-request',
  service,
  error,
  times,
  ...more,
})

describe.concurrent('a run whose services fail for a while', () => {
  it.each([
    ['S3 is slow', fail('s3', 'throttled', 2, { operation: 'PutObject' })],
    ['S3 fails for longer than its SDK tries', fail('s3', 'internal-error', 4, { operation: 'PutObject' })],
    ['the model cannot be read', fail('s3', 'internal-error', 4, { operation: 'GetObject', key: 'models/' })],
    [
      'DynamoDB is throttled for longer than its SDK tries',
      fail('dynamodb', 'throttled', 12, { operation: 'UpdateItem' }),
    ],
    ['connections to DynamoDB are reset', fail('dynamodb', 'reset', 2, { operation: 'UpdateItem' })],
    [
      'answers of DynamoDB are lost',
      fail('dynamodb', 'reset', 3, { operation: 'UpdateItem', carriedOut: true }),
    ],
    [
      'the answer is lost that its money is accounted',
      fail('dynamodb', 'reset', 1, { operation: 'TransactWriteItems', carriedOut: true }),
    ],
    ['Batch is throttled', fail('batch', 'throttled', 1, { operation: 'SubmitJob' })],
  ])('ends well where %s', async (_, rule) => {
    const runId = await scenarios.startIn([rule])
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.failure).toBeUndefined()
    expect(run).toMatchObject({ status: 'succeeded', model: { name: 'stub' } })
    expect(trainJobs(run)).toEqual([[0, 0, 0]])
    expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
    // Each status once, however often its step was sent.
    const statuses = run.timeline.map(({ status }) => status)
    expect(statuses).toEqual([...new Set(statuses)])
  })

  it('fails, and says so, where its plan can never be written', async () => {
    const runId = await scenarios.startIn([
      { kind: 'fail-request', service: 's3', error: 'internal-error', operation: 'PutObject' },
    ])
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({ status: 'failed', failure: { step: 'plan', class: 'internal' }, costUsd: 0 })
    expect(run.attempts).toEqual([])
  })
})

describe('a request to start a run', () => {
  afterEach(() => endChaos(deployment.port))

  it.each([
    ['Step Functions is throttled', fail('states', 'throttled', 2, { operation: 'StartExecution' })],
    [
      'Step Functions starts it, and the answer is lost',
      fail('states', 'reset', 1, { operation: 'StartExecution', carriedOut: true }),
    ],
    [
      'the run is stored, and the answer is lost',
      fail('dynamodb', 'reset', 1, { operation: 'TransactWriteItems', carriedOut: true }),
    ],
    ['DynamoDB is throttled', fail('dynamodb', 'throttled', 2, { operation: 'TransactWriteItems' })],
    [
      'the API dies once the run is stored, before it is started',
      { kind: 'kill-function', function: 'ApiHandler', afterWrites: 2, times: 1 },
    ],
  ])('starts one run, and one only, where %s', async (_, rule) => {
    const before = await deployment.executions()
    await setChaos(deployment.port, { rules: [rule] })
    const { runId } = await deployment.start()
    const { rules } = await readChaos(deployment.port)
    expect(rules).toMatchObject([{ applied: rule.times }])
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    const started = (await deployment.executions()).filter((name) => !before.includes(name))
    expect(started).toEqual([runId])
  })
})
