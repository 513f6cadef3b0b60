import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endChaos, setChaos } from '../../../local/chaos.ts'
import { Deployment, trainJobs } from '../../support/deployment.ts'
import { priceOf, Scenarios } from '../../support/scenarios.ts'

const deployment = await Deployment.open()
const scenarios = new Scenarios(deployment)

// A day, as long as the team's options wait, takes this long.
const DAY_SECONDS = 2
beforeAll(() => setChaos(deployment.port, { timeScale: DAY_SECONDS / 86_400 }))
afterAll(async () => {
  await endChaos(deployment.port)
  await scenarios.booksBalance()
})

const onDemand = { kind: 'no-capacity', step: 'train', purchase: 'on-demand' } as const
const spot = { ...onDemand, purchase: 'spot' } as const

describe.concurrent('a run that gets no machine', () => {
  it('waits as long as its option allows, then takes the next one, and pays for that alone', async () => {
    const runId = await scenarios.startIn([onDemand])
    const waiting = await scenarios.until(runId, 'waits', ({ status }) => status === 'waiting')
    expect(waiting.costUsd).toBe(0)
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(trainJobs(run)).toEqual([
      [0, 0, undefined],
      [1, 1, 0],
    ])
    expect(run.attempts.find(({ step }) => step === 'train')).toMatchObject({
      jobStatus: 'FAILED',
      executions: [],
      statusReason:
        'Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY',
    })
    expect(run.timeline.find(({ note }) => note)?.note).toMatch(
      /none came\..*Going on with m7i.large spot\.$/,
    )
    expect(run.costUsd).toBeGreaterThan(0)
    expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
  })

  it('fails when none of its options has one, and costs nothing', async () => {
    const runId = await scenarios.startIn([onDemand, spot])
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({
      status: 'failed',
      failure: { step: 'train', class: 'no-capacity' },
      costUsd: 0,
    })
    expect(trainJobs(run)).toEqual([
      [0, 0, undefined],
      [1, 1, undefined],
    ])
  })

  it.each(['max-vcpus', 'no-matching-instance'])(
    'goes on where the option is misconfigured (%s)',
    async (reason) => {
      const runId = await scenarios.startIn([{ ...onDemand, reason }])
      const run = await scenarios.nothingIsLeft(runId)
      expect(run).toMatchObject({ status: 'succeeded', capacity: { purchase: 'spot' } })
      const [first] = run.attempts.filter(({ step }) => step === 'train')
      expect(first?.statusReason).toContain('due to reason: MISCONFIGURATION:')
    },
  )

  it('fails where Prepare gets none, before anything is paid', async () => {
    const runId = await scenarios.startIn([{ kind: 'no-capacity', step: 'prepare' }])
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({
      status: 'failed',
      failure: { step: 'prepare', class: 'no-capacity' },
      costUsd: 0,
    })
    expect(trainJobs(run)).toEqual([])
  })

  it('trains once, and evaluates on the next option, where only Evaluate gets none', async () => {
    const runId = await scenarios.startIn([{ ...onDemand, step: 'evaluate' }])
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(trainJobs(run)).toEqual([[0, 0, 0]])
    const evaluations = run.attempts.filter(({ step }) => step === 'evaluate')
    expect(evaluations.map(({ option, jobStatus }) => [option, jobStatus])).toEqual([
      [0, 'FAILED'],
      [1, 'SUCCEEDED'],
    ])
  })
})

it('a run starts on its first option when that has machines again', async () => {
  await setChaos(deployment.port, { rules: [onDemand] })
  const { runId } = await deployment.start()
  await scenarios.until(runId, 'waits', ({ status }) => status === 'waiting')
  await endChaos(deployment.port)
  const run = await scenarios.nothingIsLeft(runId)
  expect(run.status).toBe('succeeded')
  expect(trainJobs(run)).toEqual([[0, 0, 0]])
})
