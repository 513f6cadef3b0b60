import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunDetail } from '../../core/run-view.ts'
import { pushClock, setClockRight } from '../support/clock.ts'
import { Deployment } from '../support/deployment.ts'
import { eventually } from '../support/processes.ts'
import { rejectionOf } from '../support/thrown.ts'

const deployment = await Deployment.open()
const { client, bucket } = deployment
afterAll(() => setClockRight(deployment.port))

const rows = (answer: string) => JSON.stringify([{ instruction: 'Say it.', output: answer }])
const arrive = (file: string, text: string) => deployment.put(`incoming/flock/${file}`, text)
/** None before the first file has arrived. */
const arrived = () =>
  client.listDatasetVersions('flock').catch(() => ({ name: 'flock', versions: [], rejections: [] }))

/** Runs of the recipe that teams/demo.yaml's triggers start, by what started them. */
async function started(kind: string): Promise<RunDetail[]> {
  const { runs } = await client.listRuns(100, undefined)
  const found = runs.filter(
    ({ recipeName, startedBy }) => recipeName === 'follow' && startedBy?.kind === kind,
  )
  return Promise.all(found.map(({ runId }) => deployment.ended(runId)))
}

beforeAll(async () => {
  // What recipes/deployed/follow.yaml names.
  await deployment.put('base/small/config.json', JSON.stringify({ max_position_embeddings: 2048 }))
})

describe('a file that arrives', () => {
  it('becomes a version of its data set: checked, numbered, copied to where it never changes', async () => {
    await arrive('flock.json', rows('Baa.'))
    await eventually('the first version', async () => (await arrived()).versions[0])
    await arrive('flock.json', rows('Baa, baa.'))
    // The same again is no version.
    await arrive('again.json', rows('Baa.'))
    await arrive('wrong.json', '[{"instruction": 1}]')
    const { versions, rejections } = await eventually('all have been looked at', async () => {
      const seen = await arrived()
      return seen.versions.length === 2 && seen.rejections.length === 1 ? seen : undefined
    })
    expect(versions.map(({ version }) => version)).toEqual([2, 1])
    const [second] = versions
    expect(second?.uri).toBe(`s3://${bucket}/datasets/flock/${second?.sha256}/flock.json`)
    expect(await deployment.read(second?.uri ?? '')).toEqual(JSON.parse(rows('Baa, baa.')))
    expect(rejections[0]).toMatchObject({
      code: 'DATASET_INVALID',
      from: `s3://${bucket}/incoming/flock/wrong.json`,
    })
    const flock = { name: 'flock', version: 2, updatedAt: expect.any(String) }
    expect((await client.listDatasets()).datasets).toContainEqual(flock)
    expect((await rejectionOf(client.listDatasetVersions('never-arrived'))).code).toBe('DATASET_UNKNOWN')
  })

  it('starts the recipe that follows, once for all that came in its window, with the newest', async () => {
    await pushClock(deployment.port, 60)
    const runs = await eventually('the run', async () => {
      const found = await started('dataset')
      return found.length > 0 ? found : undefined
    })
    const [version] = (await arrived()).versions
    expect(runs).toHaveLength(1)
    expect(runs[0]).toMatchObject({
      status: 'succeeded',
      startedBy: { kind: 'dataset', name: 'flock', version: 2 },
      recipe: { dataset: { source: version?.uri }, baseModel: { source: `s3://${bucket}/base/small/` } },
    })
    // Told of it once more, as events are, nothing starts.
    const again = { key: 'incoming/flock/flock.json', size: 10 }
    await deployment.invoke('TriggersObjectCreated', {
      time: new Date().toISOString(),
      detail: { object: again },
    })
    await pushClock(deployment.port, 120)
    expect(await started('dataset')).toHaveLength(1)
  })
})

describe('a model version that is registered', () => {
  it('is what the recipe that follows starts from', async () => {
    const base = await deployment.start('train:sleep=1', { name: 'flock-base' })
    const folder = `models/flock-base/${base.runId}/`
    await deployment.put(`${folder}config.json`, JSON.stringify({ max_position_embeddings: 2048 }))
    await deployment.ended(base.runId)
    const [run] = await eventually('the run', async () => {
      const found = await started('model')
      return found.length > 0 ? found : undefined
    })
    expect(run).toMatchObject({
      startedBy: { kind: 'model', name: 'flock-base', version: 1 },
      recipe: { baseModel: { source: `s3://${bucket}/${folder}` } },
    })
  })
})

describe('an event of another system', () => {
  it('starts the recipes whose trigger names its source, and is kept with the run', async () => {
    const { eventId, recipes } = await client.sendEvent('demo', { ticket: 7 })
    expect(recipes).toEqual(['follow'])
    const [run] = await started('event')
    expect(run?.startedBy).toEqual({ kind: 'event', source: 'demo', eventId, detail: '{"ticket":7}' })
  })

  it('is refused where no trigger names its source, or where its detail is no record of something', async () => {
    const deep = `{"source":"demo","detail":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_001)}`
    const response = await deployment.request('POST', '/v1/events', deep)
    expect([response.status, await response.json()]).toMatchObject([400, { code: 'REQUEST_INVALID' }])
    expect((await rejectionOf(client.sendEvent('nobody', {}))).code).toBe('SOURCE_UNKNOWN')
  })
})
