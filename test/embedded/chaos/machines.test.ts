import { afterAll, describe, expect, it } from 'vitest'
import { EXIT_CODES } from '../../../core/exit-codes.ts'
import { endChaos } from '../../../local/chaos.ts'
import { Deployment, trainJobs } from '../../support/deployment.ts'
import { priceOf, Scenarios } from '../../support/scenarios.ts'

const deployment = await Deployment.open()
const scenarios = new Scenarios(deployment)
afterAll(async () => {
  await endChaos(deployment.port)
  await scenarios.booksBalance()
})

const { interrupted } = EXIT_CODES
const reclaim = { kind: 'reclaim-host', step: 'train', afterSeconds: 0.2, times: 1 } as const
const HOST_GONE = /^Host EC2 \(instance i-[0-9a-f]{17}\) terminated\.$/

describe.concurrent('a run whose machine is taken back', () => {
  it('stops at the notice, and goes on with the same option', async () => {
    const runId = await scenarios.startIn([{ ...reclaim, noticeSeconds: 60 }], 'train:sleep=60@1')
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(trainJobs(run)).toEqual([
      [0, 0, interrupted],
      [1, 0, 0],
    ])
    const { lines } = await deployment.client.getLogs(runId, undefined)
    expect(lines.some(({ message }) => message.startsWith('notice {"action": "terminate"'))).toBe(true)
    expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
  })

  it('goes with the machine if it does not stop, and goes on just so', async () => {
    const runId = await scenarios.startIn(
      [{ ...reclaim, noticeSeconds: 0.5 }],
      'train:unaware@1 train:sleep=60@1',
    )
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(trainJobs(run)).toEqual([
      [0, 0, undefined],
      [1, 0, 0],
    ])
    const [lost] = run.attempts.filter(({ step }) => step === 'train')
    expect(lost?.statusReason).toMatch(HOST_GONE)
    // What it ran before it was lost is paid.
    expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
  })

  it('goes on as often as it is lost without a word: that is no try of its own', async () => {
    const runId = await scenarios.startIn(
      [{ ...reclaim, silent: true, times: 4 }],
      'train:sleep=60@1 train:sleep=60@2 train:sleep=60@3 train:sleep=60@4',
    )
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(trainJobs(run)).toEqual([...[0, 1, 2, 3].map((attempt) => [attempt, 0, undefined]), [4, 0, 0]])
    expect(run.timeline.filter(({ note }) => note?.includes('machine went away'))).toHaveLength(4)
  })

  it.each(['prepare', 'evaluate'] as const)('does %s again, and nothing before it', async (step) => {
    const runId = await scenarios.startIn([{ ...reclaim, step, silent: true }], `${step}:sleep=60@1`)
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    const jobs = run.attempts.map((attempt) => attempt.step)
    expect(jobs.filter((name) => name === step)).toHaveLength(2)
    expect(jobs).toHaveLength(4)
  })
})

describe.concurrent('a container', () => {
  it('that is killed once is tried again', async () => {
    const runId = await scenarios.startIn(
      [{ kind: 'kill-job', step: 'train', afterSeconds: 0.1, times: 1 }],
      'train:sleep=60@1',
    )
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(trainJobs(run)).toEqual([
      [0, 0, 137],
      [1, 0, 0],
    ])
  })

  it('that takes more memory than it has is not tried again with no more', async () => {
    const runId = await scenarios.startIn(
      [{ kind: 'kill-job', step: 'train', outOfMemory: true, afterSeconds: 0.1 }],
      'train:sleep=60',
    )
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({ status: 'failed', failure: { step: 'train', class: 'out-of-memory' } })
    expect(trainJobs(run)).toEqual([[0, 0, 137]])
    expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
  })

  it('that runs longer than its recipe allows is ended, and not tried again', async () => {
    const runId = await scenarios.startIn(
      [{ kind: 'time-out', step: 'train', afterSeconds: 0.5 }],
      'train:sleep=60',
    )
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({ status: 'failed', failure: { step: 'train', class: 'timeout' } })
    expect(trainJobs(run)).toHaveLength(1)
    expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
  })

  it('whose image cannot be pulled is tried once more, and costs nothing until then', async () => {
    const runId = await scenarios.startIn([{ kind: 'no-image', step: 'train', times: 1 }])
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    const [refused, trained] = run.attempts.filter(({ step }) => step === 'train')
    expect(refused?.executions[0]?.reason).toMatch(/^CannotPullContainerError/)
    expect(priceOf({ ...run, attempts: refused ? [refused] : [] })).toBe(0)
    expect(trained?.jobStatus).toBe('SUCCEEDED')
  })

  it('whose image is not there at all fails the run', async () => {
    const runId = await scenarios.startIn([{ kind: 'no-image', step: 'prepare' }])
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({ status: 'failed', failure: { step: 'prepare', class: 'image-unavailable' } })
    expect(run.attempts).toHaveLength(2)
    expect(run.costUsd).toBe(0)
  })

  it('that starts slowly is not paid for before it runs', async () => {
    const runId = await scenarios.startIn([{ kind: 'slow-start', step: 'train', seconds: 2 }])
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    const train = run.attempts.find(({ step }) => step === 'train')
    const started = Date.parse(train?.executions[0]?.startedAt ?? '')
    expect(started - Date.parse(train?.createdAt ?? '')).toBeGreaterThanOrEqual(2000)
    expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
  })
})
