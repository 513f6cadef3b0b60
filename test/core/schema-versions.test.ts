import { describe, expect, it } from 'vitest'
import { costUsd } from '../../core/cost.ts'
import { RoslinError } from '../../core/errors.ts'
import { makePlan, parsePlan } from '../../core/plan.ts'
import { DatasetStore } from '../../core/store/dataset-store.ts'
import { FiringStore } from '../../core/store/firing-store.ts'
import { Ledger } from '../../core/store/ledger.ts'
import { ModelStore } from '../../core/store/model-store.ts'
import { RunLists } from '../../core/store/run-lists.ts'
import { RunStore } from '../../core/store/run-store.ts'
import { type Item, schemaVersion, upgraded } from '../../core/store/schema-versions.ts'
import { openTable } from '../../core/store/table.ts'
import { ThroughputStore } from '../../core/store/throughput-store.ts'
import { deployment, pinned, recipe } from '../support/recipes.ts'
import { fixtureItems, storedItems } from '../support/stored-items.ts'

/** As the code wrote them before items had a version: what is stored for ever must be read for ever. */
const version1 = fixtureItems('version-1')
/** A run of release 0.1.0: its recipe inside, without executions and options. */
const release010 = fixtureItems('release-0.1.0')

const { client } = storedItems(version1)
const table = openTable(client, 'table')
const entities = Object.keys(table.entities)
const runId = '01K9V5G7Z3M4N8Q2R6T0W1X5Y9'
const at = '2026-11-01T09:30:00.000Z'

/** How each entity is read, and something that only its item can have given. */
const READS: Readonly<Record<string, readonly [read: () => Promise<unknown>, found: unknown]>> = {
  run: [
    async () => (await new RunStore(table).get(runId))?.run,
    { runId, status: 'succeeded', spentUsd: 13.3, from: 'train', execution: 1 },
  ],
  runRecipe: [async () => (await new RunStore(table).get(runId))?.run.recipe, { name: 'dolly-v1' }],
  attempt: [
    async () => (await new RunStore(table).get(runId))?.attempts[0],
    { jobId: 'job-1', execution: 1, attempt: 2, machine: { priceUsdPerHour: 8.4 } },
  ],
  model: [async () => (await new ModelStore(table).list())[0], { name: 'dolly-v1', newestVersion: 3 }],
  modelVersion: [() => new ModelStore(table).get('dolly-v1', 3), { runId, lineage: { code: {} } }],
  throughput: [
    async () => (await new ThroughputStore(table).newest('search', 'gpt-j.p4d'))[0],
    { tokensPerSecond: 21000 },
  ],
  request: [
    async () => (await table.entities.request.get({ team: 'search', key: 'Key-1' }).go()).data,
    { hash: 'c0ffee', status: 202 },
  ],
  firing: [() => new FiringStore(table, 'search').get('schedule.weekly', at), { status: 'started', runId }],
  dataset: [async () => (await new DatasetStore(table, 'search').list())[0], { name: 'flock', version: 2 }],
  datasetVersion: [async () => (await new DatasetStore(table, 'search').versions('flock'))[0], { rows: 120 }],
  datasetRejection: [
    async () => (await new DatasetStore(table, 'search').rejections('flock'))[0],
    { code: 'DATASET_INVALID' },
  ],
  teamMonth: [() => new Ledger(table).usage('search', '2026-11'), { committedUsd: 13.3 }],
  teamRuns: [async () => ({ open: await new Ledger(table).openRuns('search') }), { open: 2 }],
  usedRecipe: [() => new Ledger(table).usedRecipe('search', 'dolly-v1'), { runs: 4 }],
}

describe('an item without a version', () => {
  it('is kept of every entity, as an example', () => {
    expect([...new Set(version1.map(({ __edb_e__ }) => __edb_e__))].sort()).toEqual(entities.sort())
    expect(Object.keys(READS).sort()).toEqual(entities)
    expect(version1.filter((item) => 'schemaVersion' in item)).toEqual([])
  })

  it.each(Object.entries(READS))('of %s is read', async (_, [read, found]) => {
    expect(await read()).toMatchObject(found as object)
  })

  it('of release 0.1.0 too: its run has the recipe, its attempt a place, and it costs what it did', async () => {
    const old = openTable(storedItems(release010).client, 'table')
    const stored = await new RunStore(old).get('01K5A1B2C3D4E5F6G7H8J9K0M1')
    expect(stored?.run).toMatchObject({ execution: 0, from: 'prepare', recipe: { name: 'dolly-mini' } })
    expect(stored?.attempts).toMatchObject([{ execution: 0, attempt: 0, option: 0 }])
    const cost = costUsd(stored?.attempts ?? [], stored?.run.options ?? [], new Date())
    expect(cost).toBeCloseTo(8.4 / 6)
    const { runs } = await new RunLists(old).list('search', 10, null)
    expect(runs).toMatchObject([{ status: 'succeeded', options: [{ instanceType: 'p4d.24xlarge' }] }])
  })

  it('is the same after it was upgraded once more', () => {
    for (const item of [...version1, ...release010]) expect(upgraded(upgraded(item))).toEqual(upgraded(item))
  })
})

describe('an item of a later version', () => {
  const later = (item: Item) => ({ ...item, schemaVersion: schemaVersion(String(item.__edb_e__)) + 1 })
  const tooNew = openTable(storedItems(version1.map(later)).client, 'table')
  const refusal = {
    code: 'SCHEMA_TOO_NEW',
    nextStep: expect.stringContaining('Deploy the newer version'),
  }

  it.each(entities)('of %s is refused with what to do', (entity) => {
    const item = version1.find(({ __edb_e__ }) => __edb_e__ === entity) ?? {}
    expect(() => upgraded(later(item))).toThrow(expect.objectContaining(refusal))
    expect(upgraded({ ...item, schemaVersion: schemaVersion(entity) })).toMatchObject(item)
  })

  it('is refused by whoever reads it, alone, among others, or in a list', async () => {
    const reads = [
      new RunStore(tooNew).get(runId),
      new Ledger(tooNew).usage('search', '2026-11'),
      new RunLists(tooNew).list('search', 10, null),
    ]
    for (const read of reads) {
      // ElectroDB wraps what its client throws.
      expect(await read.then(undefined, (error) => RoslinError.in(error))).toMatchObject(refusal)
    }
  })
})

describe('an item that is written', () => {
  async function sentBy(write: (made: ReturnType<typeof openTable>) => Promise<unknown>) {
    const { client: recording, sent } = storedItems([])
    await write(openTable(recording, 'table'))
    return JSON.stringify(sent)
  }

  it('says its version where it is made', async () => {
    expect(
      await sentBy(({ entities: { throughput } }) =>
        throughput.put({ team: 'search', shape: 's', runId, tokensPerSecond: 1 }).go(),
      ),
    ).toContain('"schemaVersion":1')
  })

  it('says it where it may be made, and keeps the one it has', async () => {
    const text = await sentBy((made) =>
      made.transaction
        .write(({ teamRuns, runRecipe }) => [
          teamRuns.upsert({ team: 'search' }).add({ open: 1 }).commit(),
          runRecipe.put({ runId, recipe: recipe() }).commit(),
        ])
        .go(),
    )
    expect(text).toContain('SET #schemaVersion = if_not_exists(#schemaVersion, :schemaVersion), ')
    expect(text).toContain('":schemaVersion":1')
    expect(text).toContain('"__edb_e__":"runRecipe","__edb_v__":"1","schemaVersion":1')
  })

  it('keeps its version where it is changed: it is not upgraded by that', async () => {
    expect(await sentBy((made) => new RunStore(made).noticeBudget(runId, at))).not.toContain('schemaVersion')
  })
})

describe('a plan', () => {
  const plan = makePlan({ runId, createdAt: at }, recipe(), pinned, deployment())

  it('is read as it was made', () => {
    expect(parsePlan(JSON.parse(JSON.stringify(plan)))).toEqual(plan)
  })

  it.each([
    ['of a later version', { ...plan, planVersion: 2 }, 'The plan has version 2'],
    ['with a field that is not known', { ...plan, nodes: 4 }, 'The plan has nodes'],
  ])('%s is refused with what to do', (_, newer, message) => {
    expect(() => parsePlan(newer)).toThrow(
      expect.objectContaining({ code: 'SCHEMA_TOO_NEW', message: expect.stringContaining(message) }),
    )
  })

  it('that is no plan at all is refused too', () => {
    expect(() => parsePlan({ ...plan, runId: 7 })).toThrow(/runId/)
  })
})
