import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { EXIT_CODES } from '../../../core/exit-codes.ts'
import { endChaos, setChaos } from '../../../local/chaos.ts'
import { Deployment, trainJobs } from '../../support/deployment.ts'
import { priceOf, Scenarios } from '../../support/scenarios.ts'

const deployment = await Deployment.open()
const scenarios = new Scenarios(deployment)
afterAll(async () => {
  await endChaos(deployment.port)
  await scenarios.booksBalance()
})

type Moment = { readonly beforeWrite: number } | { readonly afterWrites: number }
const kill = (name: string, moment: Moment, more: object = {}) => ({
  kind: 'kill-function',
  function: name,
  ...moment,
  ...more,
})
/** Before the first of its writes, and after each. */
const moments = (writes: number): [Moment][] => [
  [{ beforeWrite: 1 }],
  ...Array.from({ length: writes }, (_, index): [Moment] => [{ afterWrites: index + 1 }]),
]

describe.concurrent('Plan, killed', () => {
  it.each(moments(3))('%o, is done again', async (moment) => {
    const runId = await scenarios.startIn([kill('FlowPlan', moment)])
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.failure).toBeUndefined()
    expect(run.status).toBe('succeeded')
    const statuses = run.timeline.map(({ status }) => status)
    expect(statuses).toEqual([...new Set(statuses)])
    expect(run.attempts).toHaveLength(3)
    expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
  })

  it('whenever it is tried, leaves a failed run that cost nothing', async () => {
    const runId = await scenarios.startIn([kill('FlowPlan', { afterWrites: 2 }, { times: null })])
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({
      status: 'failed',
      failure: { step: 'plan', class: 'internal', code: 'Runtime.ExitError' },
      costUsd: 0,
      attempts: [],
    })
  })
})

describe.concurrent('Classify, killed', () => {
  it.each(moments(1))('%o, decides once, and as it would have', async (moment) => {
    const runId = await scenarios.startIn(
      [kill('FlowClassify', moment)],
      `train:exit=${EXIT_CODES.interrupted}@1`,
    )
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(trainJobs(run)).toEqual([
      [0, 0, EXIT_CODES.interrupted],
      [1, 0, 0],
    ])
    expect(run.timeline.filter(({ note }) => note)).toHaveLength(1)
  })
})

describe.concurrent('Register, killed', () => {
  it.each(moments(4))('%o, leaves one version of the model', async (moment) => {
    const name = `killed-${JSON.stringify(moment).replace(/\W+/g, '-').toLowerCase()}model`
    const runId = await scenarios.startIn([kill('FlowRegister', moment)], '', { name })
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({ status: 'succeeded', model: { name, version: 1 } })
    expect(await scenarios.versionsOf(name)).toEqual([1])
  })
})

describe.concurrent('Fail, killed', () => {
  it.each(moments(1))('%o, still says why the run failed', async (moment) => {
    const runId = await scenarios.startIn([kill('FlowFail', moment)], `train:exit=${EXIT_CODES.userError}`)
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({ status: 'failed', failure: { step: 'train', class: 'user-error' } })
    expect(run.timeline.filter(({ status }) => status === 'failed')).toHaveLength(1)
    expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
  })

  it("whenever it is tried, leaves the run's end to its execution's", async () => {
    const runId = await scenarios.startIn(
      [kill('FlowFail', { beforeWrite: 1 }, { times: null })],
      `train:exit=${EXIT_CODES.userError}`,
    )
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({ status: 'failed', failure: { step: 'flow', code: 'EXECUTION_FAILED' } })
  })
})

describe.concurrent('what takes in events, killed', () => {
  it.each([[{ beforeWrite: 1 }], [{ afterWrites: 1 }]] as [Moment][])(
    '%o three times, misses none',
    async (moment) => {
      const runId = await scenarios.startIn([kill('EventsBatchJob', moment, { times: 3 })])
      const run = await scenarios.nothingIsLeft(runId)
      expect(run.status).toBe('succeeded')
      expect(run.attempts.map(({ jobStatus }) => jobStatus)).toEqual(['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED'])
      expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
    },
  )
})

describe('the API, killed while it starts a run', () => {
  afterEach(() => endChaos(deployment.port))

  /** The runs that a request makes which is cut off, and not sent again. */
  const cutOff = async (moment: Moment) => {
    const name = `cut-off-${Object.entries(moment).flat().join('-').toLowerCase()}`
    await setChaos(deployment.port, { rules: [kill('ApiHandler', moment, { run: name })] })
    expect(await deployment.sendOnce('/v1/runs', { recipe: await deployment.recipe('', { name }) })).toBe(500)
    const { runs } = await deployment.client.listRuns(100, undefined)
    return runs.filter(({ recipeName }) => recipeName === name)
  }

  it('before the run is stored, leaves nothing', async () => {
    // The first write is of its key.
    expect(await cutOff({ beforeWrite: 2 })).toEqual([])
  })

  it('after the run is started, leaves a run that goes on to its end', async () => {
    const [run, ...others] = await cutOff({ afterWrites: 3 })
    expect(others).toEqual([])
    expect(await scenarios.nothingIsLeft(run?.runId ?? '')).toMatchObject({ status: 'succeeded' })
  })
})
