import { ulid } from 'ulid'
import { afterAll, describe, expect, it } from 'vitest'
import { parseRecipe } from '../../core/recipe.ts'
import type { Schedule, ScheduleView } from '../../core/schedule.ts'
import { FiringStore } from '../../core/store/firing-store.ts'
import { openTable } from '../../core/store/table.ts'
import { pushClock, setClockRight } from '../support/clock.ts'
import { Deployment } from '../support/deployment.ts'
import { eventually } from '../support/processes.ts'
import { rejectionOf } from '../support/thrown.ts'

const deployment = await Deployment.open()
const { client } = deployment
afterAll(() => setClockRight(deployment.port))

const lastFiring = (name: string, wanted: (view: ScheduleView) => boolean) =>
  eventually(`schedule ${name} has fired`, async () => {
    const view = await client.getSchedule(name)
    return wanted(view) ? view : undefined
  })

describe('a schedule', () => {
  it('fires for real, starts a run that says so, and starts none while nothing has changed', async () => {
    const recipe = JSON.parse(JSON.stringify(await deployment.recipe('', { name: 'scheduled' })))
    const created = await client.createSchedule({
      name: 'minutely',
      expression: 'rate(1 minute)',
      recipe,
      overrides: { training: { epochs: 3 } },
    })
    expect(created).toMatchObject({ source: 'api', paused: false, lastFirings: [], missed: [] })
    const [first, second] = created.nextFirings
    expect(Date.parse(second ?? '') - Date.parse(first ?? '')).toBe(60_000)
    await pushClock(deployment.port, 60)
    const { lastFirings } = await lastFiring(
      'minutely',
      ({ lastFirings: [last] }) => last?.status === 'started',
    )
    const run = await deployment.ended(lastFirings[0]?.runId ?? '')
    expect(run).toMatchObject({
      recipeName: 'scheduled',
      status: 'succeeded',
      startedBy: { kind: 'schedule', name: 'minutely', scheduledAt: lastFirings[0]?.key },
      recipe: { training: { epochs: 3, keepEpochs: [1] } },
    })
    expect(run.timeline[0]?.note).toBe(`Started by schedule minutely, due ${lastFirings[0]?.key}.`)
    await pushClock(deployment.port, 60)
    const skipped = await lastFiring('minutely', ({ lastFirings: [last] }) => last?.status === 'skipped')
    expect(skipped.lastFirings[0]).toMatchObject({
      sameAs: run.runId,
      note: expect.stringContaining('changed'),
    })
    expect(skipped.lastFirings[0]).not.toHaveProperty('runId')
    await client.deleteSchedule('minutely')
    expect((await rejectionOf(client.getSchedule('minutely'))).code).toBe('SCHEDULE_NOT_FOUND')
  })

  it('of the team file is deployed, can be paused and resumed, and is not deleted by hand', async () => {
    const [nightly] = (await client.listSchedules()).schedules
    expect(nightly).toMatchObject({ name: 'nightly', source: 'file', paused: true, nextFirings: [] })
    expect((await client.resumeSchedule('nightly')).nextFirings).toHaveLength(3)
    expect((await client.pauseSchedule('nightly')).paused).toBe(true)
    expect((await rejectionOf(client.deleteSchedule('nightly'))).code).toBe('SCHEDULE_OF_FILE')
  })

  it('is refused with the field that is wrong, or for a name that is taken', async () => {
    const wrong = { name: 'wrong', expression: 'cron(0 2 * * * *)', timeZone: 'Mars/Base', recipe: {} }
    const error = await rejectionOf(client.createSchedule(wrong))
    expect(error.issues.map(({ path }) => path)).toEqual(['expression', 'timeZone'])
    const recipe = JSON.parse(JSON.stringify(await deployment.recipe()))
    const taken = { name: 'nightly', expression: 'rate(1 day)', recipe }
    expect((await rejectionOf(client.createSchedule(taken))).code).toBe('SCHEDULE_EXISTS')
  })
})

describe('a firing', () => {
  const firings = new FiringStore(openTable(deployment.dynamo, deployment.tableName), 'demo')
  const base = Date.now()
  const due = (minute: number) => new Date(base + minute * 60_000)
  const read = async (minute: number) => firings.get('schedule.busy', due(minute).toISOString())

  /** As EventBridge Scheduler calls the function; what became of it. */
  async function fire(minute: number, overlap: Schedule['overlap'], told = '', overrides = {}) {
    const recipe = parseRecipe(await deployment.recipe(told, { name: 'busy', ...overrides }))
    const schedule: Schedule = {
      name: 'busy',
      source: 'api',
      expression: 'rate(1 minute)',
      timeZone: 'UTC',
      jitterMinutes: 0,
      paused: false,
      overlap,
      whenUnchanged: 'run',
      recipe,
    }
    const { error, payload } = await deployment.invoke('SchedulesFire', {
      schedule,
      scheduledTime: due(minute).toISOString(),
    })
    expect(error, JSON.stringify(payload)).toBeUndefined()
    return read(minute)
  }

  it('that comes while the last run goes on waits for its end, once, and is left out where one waits already', async () => {
    const first = await fire(1, 'queue', 'train:sleep=2')
    expect(first?.status).toBe('started')
    expect(await fire(2, 'skip')).toMatchObject({
      status: 'skipped',
      note: expect.stringContaining('not ended'),
    })
    expect(await fire(3, 'queue')).toMatchObject({ status: 'waiting', after: first?.runId })
    expect(await fire(4, 'queue')).toMatchObject({ status: 'skipped' })
    // Delivered twice, it is one.
    expect(await fire(3, 'queue')).toMatchObject({ status: 'waiting' })
    await deployment.ended(first?.runId ?? '')
    const after = await eventually('the one that waited starts', async () => {
      const firing = await read(3)
      return firing?.status === 'started' ? firing : undefined
    })
    const run = await deployment.ended(after.runId ?? '')
    expect(run.startedBy).toMatchObject({ kind: 'schedule', scheduledAt: due(3).toISOString() })
    expect(Date.parse(run.createdAt)).toBeGreaterThan(Date.parse(first?.at ?? ''))
  })

  it('that finds the team at its limit of open runs waits for a place, and is started when there is one', async () => {
    const before = await deployment.setVariable('SchedulesFire', 'CONCURRENT_RUNS', '0')
    expect(await fire(4.2, 'skip')).toMatchObject({
      status: 'waiting',
      code: 'TOO_MANY_RUNS',
      note: expect.stringContaining('waits for a place'),
    })
    expect(await fire(4.3, 'skip')).toMatchObject({
      status: 'skipped',
      note: expect.stringContaining('waits already'),
    })
    await deployment.setVariable('SchedulesFire', 'CONCURRENT_RUNS', before)
    expect((await deployment.invoke('SchedulesFire', { sweep: true })).error).toBeUndefined()
    const started = await read(4.2)
    expect(started).toMatchObject({ status: 'started' })
    expect(started).not.toHaveProperty('code')
    expect((await deployment.ended(started?.runId ?? '')).status).toBe('succeeded')
  })

  it('may take the place of the run before it', async () => {
    const long = await fire(5, 'skip', 'train:sleep=30')
    await deployment.until(long?.runId ?? '', 'trains', ({ status }) => status === 'training')
    const next = await fire(6, 'cancel-previous')
    expect(next?.status).toBe('started')
    const cancelled = await client.getRun(long?.runId ?? '')
    expect(cancelled.status).toBe('cancelled')
    expect(cancelled.timeline.at(-1)?.note).toContain('Its schedule fired again')
    await Promise.all([long, next].map((firing) => deployment.ended(firing?.runId ?? '')))
  })

  it('that finds the Hub away waits for it, since its recipe is not at fault', async () => {
    const away = { NODE_USE_ENV_PROXY: '1', HTTPS_PROXY: 'http://127.0.0.1:1' }
    for (const [name, value] of Object.entries(away)) {
      await deployment.setVariable('SchedulesFire', name, value)
    }
    const baseModel = {
      source: 'hf://owner/name',
      licence: 'Apache-2.0',
      parameters: 1000,
      contextTokens: 64,
    }
    await fire(6.5, 'skip', '', { baseModel })
    // A run that has just ended may have it tried again meanwhile.
    const waiting = await eventually('it waits', async () => {
      const firing = await read(6.5)
      return firing?.status === 'starting' ? undefined : firing
    })
    expect(waiting).toMatchObject({
      status: 'waiting',
      code: 'HUB_UNREACHABLE',
      note: expect.stringContaining('waits for the Hub'),
    })
    for (const name of Object.keys(away)) await deployment.setVariable('SchedulesFire', name, undefined)
    // Without the Hub it would wait for ever.
    await eventually('it is given up', async () => {
      const claimed = await firings.claim(waiting, ulid(), new Date())
      if (claimed) await firings.decide(claimed, { status: 'refused', note: 'Given up' }, false)
      return (await read(6.5))?.status === 'refused' || undefined
    })
  })

  it('that is late, or cannot be planned, leaves no run and says why', async () => {
    expect(await fire(-120, 'skip')).toMatchObject({
      status: 'missed',
      note: expect.stringMatching(/^It fired 12\d minutes late\.$/),
    })
    const nowhere = `s3://${deployment.bucket}/test/nowhere.json`
    const refused = await fire(7, 'skip', '', { dataset: { source: nowhere, licence: 'CC-BY-4.0' } })
    expect(refused).toMatchObject({ status: 'refused', code: 'DATASET_NOT_FOUND' })
    expect(refused).not.toHaveProperty('runId')
    expect(await firings.listOpen()).toEqual([])
  })
})
