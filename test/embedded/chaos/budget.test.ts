import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { endChaos, setChaos } from '../../../local/chaos.ts'
import { Deployment } from '../../support/deployment.ts'
import { Scenarios } from '../../support/scenarios.ts'

const deployment = await Deployment.open()
const scenarios = new Scenarios(deployment)
const { client } = deployment
afterEach(() => endChaos(deployment.port))
const limitBefore = await deployment.setVariable('ApiHandler', 'MONTHLY_BUDGET_USD', undefined)
afterAll(async () => {
  await deployment.setVariable('ApiHandler', 'MONTHLY_BUDGET_USD', limitBefore)
  await scenarios.booksBalance()
})

const committedUsd = async () => (await client.getTeam()).budget.committedUsd
/** What one run of these may cost. */
const LIMIT_USD = 1
const limits = { limits: { maxUsd: LIMIT_USD } }
const leave = async (usd: number) =>
  deployment.setVariable('ApiHandler', 'MONTHLY_BUDGET_USD', String((await committedUsd()) + usd))

const race = async (runs: number, told = '', overrides: object = {}) => {
  const answers = await Promise.allSettled(
    Array.from({ length: runs }, () => deployment.start(told, { ...limits, ...overrides })),
  )
  const started = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value.runId] : []))
  const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []))
  return { started, refused }
}

describe("a team's last dollars", () => {
  it('go to one of the runs that race for them', async () => {
    const before = await committedUsd()
    await leave(1.5 * LIMIT_USD)
    const { started, refused } = await race(5, 'train:sleep=60')
    expect(started).toHaveLength(1)
    for (const error of refused) expect(error).toMatchObject({ code: 'BUDGET_EXCEEDED' })
    expect(await committedUsd()).toBeCloseTo(before + LIMIT_USD, 2)
    await client.cancelRun(started[0] ?? '', true)
    const run = await scenarios.nothingIsLeft(started[0] ?? '')
    // All but what it cost is there again.
    expect(await committedUsd()).toBeCloseTo(before + run.costUsd, 3)
  })

  it('are no more than they are where the answers of DynamoDB are lost', async () => {
    const before = await committedUsd()
    const name = 'lost-answers'
    await leave(2.5 * LIMIT_USD)
    await setChaos(deployment.port, {
      rules: [
        {
          kind: 'fail-request',
          service: 'dynamodb',
          operation: 'TransactWriteItems',
          error: 'reset',
          carriedOut: true,
          times: 3,
        },
      ],
    })
    const { started } = await race(4, '', { name })
    await endChaos(deployment.port)
    // A run whose answer was lost may stand, or not: never without its money, and never more than there is.
    await scenarios.reconcile()
    const stored = (await client.listRuns(20, undefined)).runs.filter(({ recipeName }) => recipeName === name)
    expect(stored.length).toBeLessThanOrEqual(2)
    expect(stored.map(({ runId }) => runId)).toEqual(expect.arrayContaining(started))
    const runs = await Promise.all(stored.map(({ runId }) => scenarios.nothingIsLeft(runId)))
    for (const { status } of runs) expect(status).toBe('succeeded')
    const costUsd = runs.reduce((sum, run) => sum + run.costUsd, 0)
    expect(await committedUsd()).toBeCloseTo(before + costUsd, 3)
  })

  it('are not reserved by a run that dies with the API before it is stored', async () => {
    const before = await committedUsd()
    await setChaos(deployment.port, {
      // The first write is of the request's key.
      rules: [{ kind: 'kill-function', function: 'ApiHandler', beforeWrite: 2 }],
    })
    expect(await deployment.sendOnce('/v1/runs', { recipe: await deployment.recipe('', limits) })).toBe(500)
    expect(await committedUsd()).toBeCloseTo(before, 6)
  })

  it('stay reserved for a run that is stored and not started, until it has run', async () => {
    await deployment.setVariable('ApiHandler', 'MONTHLY_BUDGET_USD', undefined)
    const before = await committedUsd()
    const name = 'stored-only'
    await setChaos(deployment.port, {
      rules: [{ kind: 'kill-function', function: 'ApiHandler', afterWrites: 2, run: name }],
    })
    const recipe = await deployment.recipe('', { name, ...limits })
    expect(await deployment.sendOnce('/v1/runs', { recipe })).toBe(500)
    expect(await committedUsd()).toBeCloseTo(before + LIMIT_USD, 3)
    const { runs } = await client.listRuns(20, undefined)
    const [stored] = runs.filter(({ recipeName }) => recipeName === name)
    expect(stored?.status).toBe('queued')
    await scenarios.reconcile()
    const run = await scenarios.nothingIsLeft(stored?.runId ?? '')
    expect(run.status).toBe('succeeded')
    expect(await committedUsd()).toBeCloseTo(before + run.costUsd, 3)
  })
})
