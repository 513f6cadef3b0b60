import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ulid } from 'ulid'
import { describe, expect, it } from 'vitest'
import { parseRecipe } from '../../core/recipe.ts'
import { Ledger } from '../../core/store/ledger.ts'
import { LOCK_MILLISECONDS, RequestStore } from '../../core/store/request-store.ts'
import { RunLists } from '../../core/store/run-lists.ts'
import { RunStore } from '../../core/store/run-store.ts'
import { openTable } from '../../core/store/table.ts'
import { root } from '../support/checked-in.ts'
import { Deployment } from '../support/deployment.ts'
import { recipe } from '../support/recipes.ts'

const deployment = await Deployment.open()
const table = openTable(deployment.dynamo, deployment.tableName)
const requests = new RequestStore(table)
const ledger = new Ledger(table)
const lists = new RunLists(table)
const runs = new RunStore(table)

const post = (path: string, body: unknown, key: string) =>
  deployment.request('POST', path, JSON.stringify(body), { 'idempotency-key': key })
// biome-ignore lint/suspicious/noExplicitAny: each route answers with a shape of its own
const json = async (response: Response): Promise<any> => response.json()
const get = async (path: string) => json(await deployment.request('GET', path))
const hashOf = (path: string, body: unknown) =>
  createHash('sha256')
    .update(JSON.stringify(['POST', path, JSON.stringify(body)]))
    .digest('hex')
let made = 0
const newKey = () => `key-${Date.now()}-${made++}`
const runsOf = async (name: string) => (await lists.list('demo', 100, null, { recipe: name })).runs

/** A first try of this request whose function died: its lock is as old as the lock lives, and a little. */
async function diedHalfWay(path: string, body: unknown, key: string) {
  const identity = { id: ulid(), at: new Date().toISOString() }
  const long = Date.now() - LOCK_MILLISECONDS - 1000
  await requests.begin({ team: 'demo', key, hash: hashOf(path, body) }, identity, long)
  return identity
}

describe('a POST with an Idempotency-Key', () => {
  it('starts one run, however often it is sent, and answers it the same', async () => {
    const body = { recipe: await deployment.recipe('', { name: 'again' }) }
    const key = newKey()
    const first = await post('/v1/runs', body, key)
    expect(first.status).toBe(201)
    const text = await first.text()
    await deployment.ended(JSON.parse(text).runId)
    const second = await post('/v1/runs', body, key)
    expect([second.status, await second.text()]).toEqual([201, text])
    expect(second.headers.get('content-type')).toContain('application/json')
    expect(await runsOf('again')).toHaveLength(1)
    const other = await post('/v1/runs', { recipe: { ...body.recipe, description: 'another' } }, key)
    expect(other.status).toBe(409)
    expect(await other.json()).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' })
  })

  it('starts one run when it is sent several times at once', async () => {
    const body = { recipe: await deployment.recipe('', { name: 'at-once' }) }
    const key = newKey()
    const answers = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const response = await post('/v1/runs', body, key)
        const retryAfter = response.headers.get('retry-after')
        return { ...(await json(response)), status: response.status, retryAfter }
      }),
    )
    const [run] = await runsOf('at-once')
    expect(await runsOf('at-once')).toHaveLength(1)
    const started = answers.filter(({ status }) => status === 201)
    expect(started.length).toBeGreaterThan(0)
    for (const { runId } of started) expect(runId).toBe(run?.runId)
    for (const answer of answers.filter(({ status }) => status !== 201)) {
      expect(answer).toMatchObject({ status: 409, code: 'REQUEST_IN_PROGRESS', retryAfter: '2' })
    }
    await deployment.ended(run?.runId ?? '')
  })

  it('is refused while another function answers it, and not for ever', async () => {
    const body = { recipe: await deployment.recipe('', { name: 'died' }) }
    const key = newKey()
    const hash = hashOf('/v1/runs', body)
    const identity = { id: ulid(), at: new Date().toISOString() }
    await requests.begin({ team: 'demo', key, hash }, identity, Date.now())
    expect((await post('/v1/runs', body, key)).status).toBe(409)
    const later = newKey()
    const { id } = await diedHalfWay('/v1/runs', body, later)
    const answered = await post('/v1/runs', body, later)
    expect(answered.status).toBe(201)
    expect(await answered.json()).toMatchObject({ runId: id })
    await deployment.ended(id)
  })

  it('goes on with the run that a function stored before it died', async () => {
    const body = { recipe: await deployment.recipe('', { name: 'half-way' }) }
    const key = newKey()
    const { id, at } = await diedHalfWay('/v1/runs', body, key)
    const run = { runId: id, createdAt: at, team: 'demo', recipe: parseRecipe(body.recipe) }
    await ledger.open(run, { usd: 1, monthlyLimitUsd: undefined })
    const before = (await deployment.client.getTeam()).budget.committedUsd
    const answered = await post('/v1/runs', body, key)
    expect(answered.status).toBe(201)
    expect(await answered.json()).toMatchObject({ runId: id, reservation: { usd: 1 } })
    expect((await deployment.client.getTeam()).budget.committedUsd).toBeLessThanOrEqual(before)
    expect((await deployment.ended(id)).status).toBe('succeeded')
  })

  it('goes on with the run that a function resumed before it died', async () => {
    const { runId } = await deployment.ended(
      (await deployment.start('train:exit=1', { name: 'resumed' })).runId,
    )
    const key = newKey()
    const path = `/v1/runs/${runId}/resume`
    const { id, at } = await diedHalfWay(path, {}, key)
    const stored = await runs.get(runId)
    if (!stored) throw new Error('no run')
    const reopening = { requestId: id, recipe: stored.run.recipe, from: 'train', note: 'again', at } as const
    expect(await ledger.reopen(stored.run, reopening, { usd: 1, monthlyLimitUsd: undefined })).toBe(true)
    const answered = await post(path, {}, key)
    expect([answered.status, await answered.json()]).toMatchObject([200, { runId, execution: 1 }])
    expect((await deployment.ended(runId)).execution).toBe(1)
  })

  it('goes through once it can where it was answered with when to send it again', async () => {
    const stopping = { runId: ulid(), team: 'demo', createdAt: new Date().toISOString() }
    const { runId } = stopping
    const own = parseRecipe(await deployment.recipe('', { name: 'stopping' }))
    await ledger.open({ ...stopping, recipe: own }, { usd: 1, monthlyLimitUsd: undefined })
    await runs.advance(runId, { status: 'failed', at: new Date().toISOString(), moment: {} })
    const key = newKey()
    const early = await post(`/v1/runs/${runId}/resume`, {}, key)
    expect([early.status, early.headers.get('retry-after')]).toEqual([409, '30'])
    expect(await early.json()).toMatchObject({ code: 'RUN_STILL_STOPPING' })
    const stored = await runs.get(runId)
    if (!stored) throw new Error('no run')
    await ledger.settle(stored.run, 0)
    const later = await post(`/v1/runs/${runId}/resume`, {}, key)
    expect([later.status, await later.json()]).toMatchObject([200, { runId, execution: 1 }])
    expect((await deployment.ended(runId)).status).toBe('succeeded')
  })

  it('keeps what was answered for a day, and in upper and lower case apart', async () => {
    const request = { team: 'demo', key: newKey(), hash: 'a' }
    const identity = { id: ulid(), at: new Date().toISOString() }
    const now = Date.now()
    const begun = await requests.begin(request, identity, now)
    if (begun.state !== 'begun') throw new Error(begun.state)
    await requests.finish(request, begun.lockedUntil, { status: 201, body: '{"ä": 1}' })
    const kept = { state: 'answered', status: 201, body: '{"ä": 1}' }
    expect(await requests.begin(request, identity, now + 23 * 3_600_000)).toEqual(kept)
    const upper = { ...request, key: request.key.toUpperCase() }
    expect(await requests.begin(upper, identity, now)).toMatchObject({ state: 'begun' })
    expect(await requests.begin(request, identity, now + 25 * 3_600_000)).toMatchObject({ state: 'begun' })
  })
})

describe("the team's limit of open runs", () => {
  const newRun = () => ({
    runId: ulid(),
    team: 'crowd',
    recipe: recipe(),
    createdAt: new Date().toISOString(),
  })
  const terms = { usd: 1, monthlyLimitUsd: undefined, concurrentRuns: 3 }

  it('lets in as many as there are places, of many at once; a run that is settled gives its place back', async () => {
    const wanted = Array.from({ length: 6 }, newRun)
    const settled = await Promise.allSettled(wanted.map((run) => ledger.open(run, terms)))
    const open = wanted.filter((_, index) => settled[index]?.status === 'fulfilled')
    expect(open).toHaveLength(3)
    for (const one of settled) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'TOO_MANY_RUNS' })
    }
    const { runs } = await lists.list('crowd', 100, null)
    expect(runs.map(({ runId }) => runId).sort()).toEqual(open.map(({ runId }) => runId).sort())
    const [run] = runs
    if (!run) throw new Error('no run')
    await table.entities.run.patch({ runId: run.runId }).set({ endedAt: run.createdAt }).go()
    const ended = { ...run, endedAt: run.createdAt, recipe: recipe() }
    expect(await ledger.settle(ended, 0.5)).toBe(true)
    expect(await ledger.settle(ended, 0.5)).toBe(false)
    expect(await ledger.openRuns('crowd')).toBe(2)
    expect(await ledger.open(newRun(), terms)).toBe(true)
  })

  it('is answered with 429 and when to ask again', async () => {
    const before = await deployment.setVariable('ApiHandler', 'CONCURRENT_RUNS', '0')
    try {
      const key = newKey()
      const body = { recipe: await deployment.recipe('', { name: 'crowded' }) }
      const response = await post('/v1/runs', body, key)
      expect([response.status, response.headers.get('retry-after')]).toEqual([429, '60'])
      expect(await response.json()).toMatchObject({ code: 'TOO_MANY_RUNS' })
      expect(await runsOf('crowded')).toEqual([])
      const validated = await deployment.request('POST', '/v1/recipes/validate', JSON.stringify(body))
      expect(await validated.json()).toMatchObject({ refusal: { code: 'TOO_MANY_RUNS' }, plan: null })
    } finally {
      await deployment.setVariable('ApiHandler', 'CONCURRENT_RUNS', before)
    }
  })
})

describe('what was run', () => {
  it('is listed by recipe, outcome and model, with what its training came to', async () => {
    const good = await deployment.ended((await deployment.start('', { name: 'listed' })).runId)
    const bad = await deployment.ended((await deployment.start('train:exit=1', { name: 'listed' })).runId)
    const ids = async (query: string) =>
      (await get(`/v1/runs?${query}`)).runs.map(({ runId }: { runId: string }) => runId)
    expect(await ids('recipe=listed')).toEqual([bad.runId, good.runId])
    expect(await ids('recipe=listed&status=succeeded')).toEqual([good.runId])
    expect(await ids('recipe=listed&status=training')).toEqual([])
    expect(await ids('status=failed&limit=1')).toEqual([bad.runId])
    expect(await ids('model=listed')).toEqual([good.runId])
    expect(await ids('model=listed&status=failed')).toEqual([])
    expect(await ids('recipe=never-run')).toEqual([])
    const first = await get('/v1/runs?recipe=listed&limit=1')
    const newer = await deployment.ended((await deployment.start('', { name: 'listed' })).runId)
    const second = await get(`/v1/runs?recipe=listed&limit=1&cursor=${first.cursor}`)
    expect(second.runs.map(({ runId }: { runId: string }) => runId)).toEqual([good.runId])
    expect(second.cursor).toBeNull()
    expect(second.runs[0]).toMatchObject({
      recipeName: 'listed',
      spentUsd: good.spentUsd,
      metrics: { lossFirst: expect.any(Number), lossLast: expect.any(Number) },
    })
    expect(second.runs[0]).not.toHaveProperty('recipe')

    expect((await get('/v1/recipes')).recipes).toContainEqual(
      expect.objectContaining({ name: 'listed', deployed: false, runs: 3, newestRunId: newer.runId }),
    )
    expect(await get('/v1/recipes/listed')).toMatchObject({ recipe: { name: 'listed' }, runs: 3 })
    expect((await get('/v1/models')).models).toContainEqual(
      expect.objectContaining({ name: 'listed', newestVersion: 2, runId: newer.runId }),
    )
    const page = await get('/v1/models/listed?limit=1')
    expect(page.versions).toMatchObject([{ version: 2, runId: newer.runId }])
    expect((await get(`/v1/models/listed?cursor=${page.cursor}`)).versions).toMatchObject([{ version: 1 }])
    expect(await get('/v1/models/listed/versions/1')).toMatchObject({
      runId: good.runId,
      lineage: { dataset: { sha256: expect.any(String) } },
      licence: { commercialUse: true },
    })
    const { events } = await get(`/v1/runs/${bad.runId}/events`)
    expect(events.at(-1)).toMatchObject({
      sequence: events.length - 1,
      status: 'failed',
      failure: { step: 'train' },
    })
    expect(await get(`/v1/runs/${good.runId}/profile?node=7`)).toMatchObject({ code: 'NOT_READY' })
  })

  it("has the recipes of the team file's folder, whether they were run or not, with the bucket's name", async () => {
    expect((await get('/v1/recipes')).recipes).toContainEqual(
      expect.objectContaining({ name: 'follow', deployed: true }),
    )
    expect(await get('/v1/recipes/follow')).toMatchObject({
      deployed: true,
      recipe: { dataset: { source: `s3://${deployment.bucket}/incoming/flock/flock.json` } },
    })
  })

  it.each([
    ['/v1/recipes/never-run', 'RECIPE_NOT_FOUND'],
    ['/v1/models/never-made', 'MODEL_VERSION_NOT_FOUND'],
    ['/v1/models/never-made/versions/1', 'MODEL_VERSION_NOT_FOUND'],
  ])('is told from what was not: %s', async (path, code) => {
    const response = await deployment.request('GET', path)
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ code })
  })
})

describe('a recipe that is validated', () => {
  it('is told its capacity and price, and nothing is started', async () => {
    const body = JSON.stringify({ recipe: await deployment.recipe('', { name: 'validated' }) })
    const response = await deployment.request('POST', '/v1/recipes/validate', body)
    expect(await response.json()).toMatchObject({
      refusal: null,
      plan: {
        capacity: [{ instanceType: 'm7i.large' }, { purchase: 'spot' }],
        reservedUsd: 2.6612,
        dataset: { rows: 1 },
      },
    })
    expect(await runsOf('validated')).toEqual([])
  })
})

describe('GET /v1/openapi.json', () => {
  it('is the document that is checked in', async () => {
    expect(await get('/v1/openapi.json')).toEqual(
      JSON.parse(readFileSync(join(root, 'docs/reference/openapi.json'), 'utf8')),
    )
  })
})
