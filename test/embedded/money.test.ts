import { ulid } from 'ulid'
import { describe, expect, it } from 'vitest'
import { EXIT_CODES } from '../../core/exit-codes.ts'
import { parsePlan } from '../../core/plan.ts'
import type { RunDetail } from '../../core/run-view.ts'
import { Ledger } from '../../core/store/ledger.ts'
import { RunLists } from '../../core/store/run-lists.ts'
import { RunStore } from '../../core/store/run-store.ts'
import { openTable } from '../../core/store/table.ts'
import { Deployment } from '../support/deployment.ts'
import { recipe } from '../support/recipes.ts'
import { rejectionOf } from '../support/thrown.ts'

const deployment = await Deployment.open()
const { client } = deployment
const table = openTable(deployment.dynamo, deployment.tableName)
const ledger = new Ledger(table)
const runs = new RunStore(table)
const lists = new RunLists(table)

const AT = '2026-11-24T10:00:00.000Z'
const MONTH = '2026-11'
const newRun = (team: string) => ({
  runId: ulid(),
  team,
  recipe: recipe(),
  createdAt: AT,
})
const end = (runId: string) => runs.advance(runId, { status: 'failed', at: AT, moment: {} })
const read = async (runId: string) => {
  const stored = await runs.get(runId)
  if (!stored) throw new Error(`no run ${runId}`)
  return stored.run
}
const budget = async () => (await client.getTeam()).budget

describe("a run's share of the budget", () => {
  it('is reserved when it is accepted, and what it did not cost is given back at its end', async () => {
    const before = await budget()
    expect(before.limitUsd).toBe(1000)
    const started = await deployment.start('train:sleep=1')
    // A day on an m7i.large, and a tenth of that for the evaluation.
    expect(started.reservation).toEqual({ month: before.month, usd: 2.6612 })
    expect((await budget()).committedUsd).toBeCloseTo(before.committedUsd + 2.6612, 4)
    const run = await deployment.ended(started.runId)
    const after = await budget()
    expect(run.spentUsd).toBeGreaterThan(0)
    expect(Math.abs((run.spentUsd ?? 0) - run.costUsd)).toBeLessThan(1.1e-4)
    expect(after.spentUsd).toBeCloseTo(before.spentUsd + (run.spentUsd ?? 0), 4)
    expect(after.committedUsd).toBeCloseTo(before.committedUsd + (run.spentUsd ?? 0), 4)
  })

  it('is in its plan, with what training may take of it', async () => {
    const { runId, planUri } = await deployment.ended(
      (await deployment.start('', { limits: { maxUsd: 0.5 } })).runId,
    )
    expect(runId).toBeTruthy()
    expect(await deployment.read(planUri ?? '')).toMatchObject({ reservedUsd: 0.5, trainingBudgetUsd: 0.45 })
  })

  it('cannot be had twice: of many runs that start at once, as many get theirs as the budget has', async () => {
    const price = { usd: 30, monthlyLimitUsd: 100 }
    const settled = await Promise.allSettled(
      Array.from({ length: 8 }, () => ledger.open(newRun('racers'), price)),
    )
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    for (const one of settled) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'BUDGET_EXCEEDED' })
    }
    expect(await ledger.usage('racers', MONTH)).toEqual({ month: MONTH, committedUsd: 90, spentUsd: 0 })
    expect((await lists.list('racers', 100, null)).runs).toHaveLength(3)
  })

  it('is accounted once, however often and by however many at once', async () => {
    const run = newRun('settlers')
    await ledger.open(run, { usd: 50, monthlyLimitUsd: undefined })
    await end(run.runId)
    const stored = await read(run.runId)
    const settled = await Promise.all(Array.from({ length: 5 }, () => ledger.settle(stored, 12.5)))
    expect(settled.filter(Boolean)).toHaveLength(1)
    expect(await ledger.usage('settlers', MONTH)).toEqual({
      month: MONTH,
      committedUsd: 12.5,
      spentUsd: 12.5,
    })
    expect(await runs.listOpen('settlers')).toEqual([])
    // A job whose end was heard of later made it dearer.
    expect(await ledger.settle(await read(run.runId), 13)).toBe(true)
    expect(await ledger.usage('settlers', MONTH)).toEqual({ month: MONTH, committedUsd: 13, spentUsd: 13 })
  })

  it('is accounted in the month it was reserved in, what is heard of later too', async () => {
    const run = { ...newRun('late'), createdAt: '2026-10-31T23:00:00.000Z' }
    await ledger.open(run, { usd: 50, monthlyLimitUsd: undefined })
    await end(run.runId)
    for (const usd of [40, 42]) expect(await ledger.settle(await read(run.runId), usd)).toBe(true)
    const october = { month: '2026-10', committedUsd: 42, spentUsd: 42 }
    expect(await ledger.usage('late', october.month)).toEqual(october)
    expect(await ledger.usage('late', MONTH)).toEqual({ month: MONTH, committedUsd: 0, spentUsd: 0 })
  })

  it('is not accounted while the run goes on', async () => {
    const run = newRun('goers')
    await ledger.open(run, { usd: 50, monthlyLimitUsd: undefined })
    expect(await ledger.settle(await read(run.runId), 1)).toBe(false)
    expect(await runs.listOpen('goers')).toEqual([run.runId])
  })
})

describe('a run that could cost more than is left', () => {
  it('is refused with what is left, and leaves no run behind', async () => {
    const { committedUsd } = await budget()
    const limit = await deployment.setVariable('ApiHandler', 'MONTHLY_BUDGET_USD', String(committedUsd + 1))
    try {
      const list = (await client.listRuns(1, undefined)).runs
      const error = await rejectionOf(deployment.start())
      expect(error.code).toBe('BUDGET_EXCEEDED')
      expect(error.message).toMatch(
        /may cost \$2\.66, and of the team's \$\S+ for \d{4}-\d\d \$1\.\d\d is left/,
      )
      expect((await client.listRuns(1, undefined)).runs).toEqual(list)
      // A cheaper one fits.
      await deployment.ended((await deployment.start('', { limits: { maxUsd: 0.5 } })).runId)
    } finally {
      await deployment.setVariable('ApiHandler', 'MONTHLY_BUDGET_USD', limit)
    }
  })

  it('is refused at once where its limit leaves nothing to train with', async () => {
    const error = await rejectionOf(deployment.start('', { limits: { maxUsd: 0.01 } }))
    expect(error.code).toBe('LIMIT_TOO_LOW')
  })
})

describe('a run that reached its limit', () => {
  const { budgetStopped } = EXIT_CODES
  let stopped: RunDetail

  it('leaves its newest complete checkpoint as an unfinished model', async () => {
    const started = await deployment.start(`train:sleep=1@1 train:exit=${budgetStopped}@1`, {
      name: 'limited',
    })
    const folder = `runs/${started.runId}/checkpoints`
    await deployment.put(`${folder}/epoch-0001/manifest.json`, '{}')
    await deployment.put(`${folder}/epoch-0002/weights.bin`, 'half')
    stopped = await deployment.ended(started.runId)
    expect(stopped).toMatchObject({
      status: 'budget-stopped',
      model: {
        name: 'limited',
        version: 1,
        uri: `s3://${deployment.bucket}/${folder}/epoch-0001/`,
        unfinished: true,
      },
    })
  })

  it('goes on with a higher one, and registers what it finished as the next version', async () => {
    const resumed = await client.resumeRun(stopped.runId, { limits: { maxHours: 48 } })
    expect(resumed).toMatchObject({ execution: 1, recipe: { limits: { maxHours: 48 } } })
    expect(resumed).not.toHaveProperty('failure')
    const run = await deployment.ended(stopped.runId)
    expect(run).toMatchObject({ status: 'succeeded', model: { name: 'limited', version: 2 } })
    expect(run.model).not.toHaveProperty('unfinished')
    expect(run.planUri).toMatch(/\/plan-1\.json$/)
    expect(run.spentUsd).toBeGreaterThanOrEqual(stopped.spentUsd ?? Number.NaN)
  })
})

describe('a run that evaluates again', () => {
  const spend = (runId: string, spentUsd: number) =>
    table.entities.run.patch({ runId }).set({ spentUsd }).go()

  it('takes no longer than what is left of its limit pays for, and is refused where that is too little', async () => {
    const {
      runId,
      planUri,
      spentUsd = 0,
    } = await deployment.ended((await deployment.start('evaluate:exit=10@1')).runId)
    const { reservedUsd, capacity } = parsePlan(await deployment.read(planUri ?? ''))
    const usdPerHour = capacity[0]?.priceUsdPerHour ?? Number.NaN
    await spend(runId, reservedUsd - usdPerHour / 7)
    expect((await rejectionOf(client.resumeRun(runId, {}))).code).toBe('LIMIT_TOO_LOW')
    await spend(runId, reservedUsd - usdPerHour / 4)
    await client.resumeRun(runId, {})
    const run = await deployment.until(runId, 'evaluates', ({ attempts }) => attempts.length === 4)
    await spend(runId, spentUsd)
    const job = await deployment.job(run.attempts.at(-1)?.jobId ?? '')
    expect(job?.timeout?.attemptDurationSeconds).toBeGreaterThan(890)
    expect(job?.timeout?.attemptDurationSeconds).toBeLessThanOrEqual(900)
    expect((await deployment.ended(runId)).status).toBe('succeeded')
  })
})
