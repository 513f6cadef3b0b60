import { ulid } from 'ulid'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { OpenFiring } from '../../core/store/firing-store.ts'
import { ownTable } from '../support/own-table.ts'
import * as recipes from '../support/recipes.ts'

/** The functions that start runs, in this process: the table is real, what a run is planned from and started with is not. */
const planned = vi.fn(async () => ({ reservedUsd: 1 }))
const executed = vi.fn(async (_: { readonly runId: string }) => {})

let clients: typeof import('../../lambdas/clients.ts')
let claimAndStart: typeof import('../../lambdas/firings.ts')['claimAndStart']
let fireSchedule: typeof import('../../lambdas/schedules/fire-schedule.ts')['fireSchedule']
let sweepFirings: typeof import('../../lambdas/schedules/sweep-firings.ts')['sweepFirings']
let settleIfDone: typeof import('../../lambdas/settle.ts')['settleIfDone']

beforeAll(() => {
  vi.doMock('../../lambdas/pinning.ts', () => ({ planRecipe: planned }))
  vi.doMock('../../lambdas/executions.ts', () => ({ startExecution: executed }))
  vi.doMock('../../lambdas/environment.ts', async (actual) => ({
    ...(await actual<object>()),
    deployment: recipes.deployment,
  }))
})

beforeEach(async () => {
  Object.assign(process.env, {
    TABLE_NAME: await ownTable(),
    TEAM: 'example',
    CONCURRENT_RUNS: '1',
    POWERTOOLS_LOG_LEVEL: 'SILENT',
  })
  // Each test has a table of its own, which is opened when this is imported.
  vi.resetModules()
  clients = await import('../../lambdas/clients.ts')
  claimAndStart = (await import('../../lambdas/firings.ts')).claimAndStart
  fireSchedule = (await import('../../lambdas/schedules/fire-schedule.ts')).fireSchedule
  sweepFirings = (await import('../../lambdas/schedules/sweep-firings.ts')).sweepFirings
  settleIfDone = (await import('../../lambdas/settle.ts')).settleIfDone
})
afterEach(() => {
  planned.mockReset().mockResolvedValue({ reservedUsd: 1 })
  executed.mockReset()
})

const recipe = recipes.recipe()
const schedule = {
  name: 'busy',
  source: 'api',
  expression: 'rate(5 minutes)',
  timeZone: 'UTC',
  jitterMinutes: 0,
  paused: false,
  overlap: 'skip',
  whenUnchanged: 'run',
  recipe,
} as const
const at = (minutesFromNow: number) => new Date(Date.now() + minutesFromNow * 60_000)
const startedRuns = () => executed.mock.calls.map(([{ runId }]) => runId)

async function openFiring(fields: Partial<OpenFiring>): Promise<OpenFiring> {
  const firing: OpenFiring = {
    origin: 'trigger.dataset.flock.parrot',
    key: '00000001',
    status: 'waiting',
    at: at(0).toISOString(),
    startedBy: { kind: 'dataset', name: 'flock', version: 1 },
    subject: '00000001',
    recipe,
    ...fields,
  }
  await clients.firings.open(firing)
  return firing
}

const become = (firing: OpenFiring) => clients.firings.get(firing.origin, firing.key)

async function openRun(): Promise<string> {
  const runId = ulid()
  const run = { runId, team: 'example', recipe, createdAt: at(0).toISOString() }
  await clients.ledger.open(run, { usd: 1, monthlyLimitUsd: undefined })
  return runId
}

async function endRun(runId: string): Promise<void> {
  await clients.runs.advance(runId, { status: 'succeeded', at: at(0).toISOString(), moment: {} })
  await settleIfDone(runId)
}

/** The next plan stops half-way: `reached` when it has come there, `goOn` lets it end. */
function heldPlan() {
  let goOn = () => {}
  const held = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const reached = new Promise<void>((resolve) => {
    planned.mockImplementationOnce(async () => {
      resolve()
      await held
      return { reservedUsd: 1 }
    })
  })
  return { reached, goOn }
}

describe('a firing that several callers find at once', () => {
  it.each([
    ['waits', { status: 'waiting' }],
    ['was left by one that died', { status: 'starting', runId: ulid(), at: at(-6).toISOString() }],
  ] as const)('starts one run, where it %s', async (_, fields) => {
    const before = await openRun()
    const firing = await openFiring(fields)
    const first = heldPlan()
    const one = sweepFirings(at(0))
    await first.reached
    // By now the first has it: the other leaves it alone, though a place becomes free before it would have planned.
    const second = heldPlan()
    const other = claimAndStart(firing)
    await Promise.race([other, second.reached])
    first.goOn()
    await one
    await endRun(before)
    second.goOn()
    await other
    expect(await become(firing)).toMatchObject({ status: 'waiting', code: 'TOO_MANY_RUNS' })
    expect(startedRuns()).toEqual([])
    planned.mockReset().mockResolvedValue({ reservedUsd: 1 })
    await sweepFirings(at(0))
    const started = await become(firing)
    expect(started).toMatchObject({ status: 'started' })
    await endRun(started?.runId ?? '')
    await sweepFirings(at(0))
    expect(startedRuns()).toEqual([started?.runId])
  })

  it('is one where EventBridge Scheduler delivers it while it is being started', async () => {
    const due = at(0)
    const plan = heldPlan()
    const one = fireSchedule(schedule, due, due)
    await plan.reached
    await fireSchedule(schedule, due, due)
    expect(planned).toHaveBeenCalledTimes(1)
    plan.goOn()
    await one
    expect(startedRuns()).toHaveLength(1)
  })
})

describe('a firing while a run of its schedule goes on', () => {
  beforeEach(() => {
    process.env.CONCURRENT_RUNS = '20'
  })

  it('is skipped, however many were before it, and names the run', async () => {
    const base = Date.now()
    const fire = async (minute: number) => {
      const due = new Date(base + minute * 60_000)
      await fireSchedule(schedule, due, due)
      return clients.firings.get('schedule.busy', due.toISOString())
    }
    const first = await fire(0)
    expect(first?.status).toBe('started')
    // One more than are looked at.
    for (let minute = 1; minute <= 101; minute++) {
      expect(await fire(minute)).toMatchObject({ status: 'skipped', after: first?.runId })
    }
    await endRun(first?.runId ?? '')
    const next = await fire(102)
    expect(next?.status).toBe('started')
    expect(startedRuns()).toEqual([first?.runId, next?.runId])
  })

  it('is skipped though the caller of another died before its run was stored', async () => {
    const due = at(0)
    await fireSchedule(schedule, due, due)
    const key = at(1).toISOString()
    await openFiring({ origin: 'schedule.busy', key, status: 'starting', runId: ulid() })
    const later = at(2)
    await fireSchedule(schedule, later, later)
    expect(await clients.firings.get('schedule.busy', later.toISOString())).toMatchObject({
      status: 'skipped',
    })
  })
})

describe('a firing whose caller died', () => {
  it('is gone on with as the same run, by the next delivery or the sweep', async () => {
    process.env.CONCURRENT_RUNS = '2'
    const due = at(-6)
    planned.mockRejectedValue(new Error('The function is gone.'))
    await expect(fireSchedule(schedule, due, due)).rejects.toThrow()
    const left = await openFiring({ status: 'starting', runId: ulid(), at: due.toISOString() })
    const [delivered] = await clients.firings.newest('schedule.busy', 1)
    planned.mockReset().mockResolvedValue({ reservedUsd: 1 })
    await fireSchedule(schedule, due, at(0))
    await sweepFirings(at(0))
    expect(startedRuns()).toEqual([delivered?.runId, left.runId])
  })

  it('can no longer be put back or decided by one that goes by another run', async () => {
    const waiting = await openFiring({})
    const claimed = await clients.firings.claim(waiting, ulid(), at(0))
    if (!claimed) throw new Error('not claimed')
    const other = { ...claimed, runId: ulid() }
    await clients.firings.wait(other, { note: 'It waits.' })
    await clients.firings.decide(other, { status: 'skipped' }, false)
    expect(await become(waiting)).toEqual(claimed)
  })
})
