import { afterAll, afterEach, describe, expect, it } from 'vitest'
import type { RunDetail } from '../../../core/run-view.ts'
import { endChaos, setChaos } from '../../../local/chaos.ts'
import { Deployment } from '../../support/deployment.ts'
import { Scenarios } from '../../support/scenarios.ts'

const deployment = await Deployment.open()
const scenarios = new Scenarios(deployment)
afterEach(() => endChaos(deployment.port))
afterAll(() => scenarios.booksBalance())

let keys = 0
const newKey = () => `not-started-${Date.now()}-${keys++}`

async function post(path: string, body: unknown, key: string) {
  const response = await deployment.request('POST', path, JSON.stringify(body), { 'idempotency-key': key })
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    body: JSON.parse(await response.text()),
  }
}

const refuseExecutions = () =>
  setChaos(deployment.port, {
    rules: [
      { kind: 'fail-request', service: 'states', error: 'throttled', operation: 'StartExecution', times: 50 },
    ],
  })

const executionsOf = async (runId: string) =>
  (await deployment.executions()).filter((name) => name.startsWith(runId)).sort()

/** The newest run of the recipe: an answer that refuses it does not carry it. */
async function newestOf(recipe: string): Promise<RunDetail> {
  const { runs } = await deployment.client.listRuns(1, undefined, { recipe })
  return deployment.client.getRun(runs[0]?.runId ?? '')
}

describe('a run whose execution Step Functions does not take', () => {
  it('is named with what to do, and the same request starts it later', async () => {
    const body = { recipe: await deployment.recipe('', { name: 'not-started' }) }
    const key = newKey()
    await refuseExecutions()
    const refused = await post('/v1/runs', body, key)
    const { runId } = await newestOf('not-started')
    expect(refused).toMatchObject({
      status: 503,
      retryAfter: '60',
      body: {
        code: 'RUN_NOT_STARTED',
        detail: expect.stringContaining(runId),
        nextStep: expect.stringContaining(`roslin runs resume ${runId}`),
      },
    })
    expect(await scenarios.nothingIsLeft(runId)).toMatchObject({ status: 'failed', spentUsd: 0 })
    // Too early: it says the same again.
    expect(await post('/v1/runs', body, key)).toMatchObject({
      status: 503,
      body: { code: 'RUN_NOT_STARTED' },
    })
    expect(await executionsOf(runId)).toEqual([])
    await endChaos(deployment.port)
    const started = await post('/v1/runs', body, key)
    expect(started).toMatchObject({ status: 201, body: { runId, status: 'queued', execution: 2 } })
    expect(await post('/v1/runs', body, key)).toMatchObject({ status: 201, body: started.body })
    expect(await scenarios.nothingIsLeft(runId)).toMatchObject({ status: 'succeeded', execution: 2 })
    expect(await executionsOf(runId)).toEqual([`${runId}-2`])
  })

  it('is resumed, and where that is not taken either, by the same request later', async () => {
    const body = { recipe: await deployment.recipe('', { name: 'not-resumed' }) }
    await refuseExecutions()
    await post('/v1/runs', body, newKey())
    const { runId } = await newestOf('not-resumed')
    const [path, key] = [`/v1/runs/${runId}/resume`, newKey()]
    for (let time = 1; time <= 2; time++) {
      expect(await post(path, {}, key)).toMatchObject({ status: 503, body: { code: 'RUN_NOT_STARTED' } })
    }
    await endChaos(deployment.port)
    expect(await post(path, {}, key)).toMatchObject({ status: 200, body: { status: 'queued', execution: 3 } })
    expect(await scenarios.nothingIsLeft(runId)).toMatchObject({ status: 'succeeded', execution: 3 })
    expect(await executionsOf(runId)).toEqual([`${runId}-3`])
  })

  it('that was cancelled instead stays so, and no execution of it is started', async () => {
    const body = { recipe: await deployment.recipe('train:sleep=60', { name: 'cancelled-instead' }) }
    const key = newKey()
    await refuseExecutions()
    await post('/v1/runs', body, key)
    await endChaos(deployment.port)
    const { runId } = await newestOf('cancelled-instead')
    await deployment.client.resumeRun(runId, {})
    await deployment.client.cancelRun(runId, true)
    await scenarios.nothingIsLeft(runId)
    expect(await post('/v1/runs', body, key)).toMatchObject({ status: 201, body: { status: 'cancelled' } })
    expect(await executionsOf(runId)).toEqual([`${runId}-1`])
  })
})
