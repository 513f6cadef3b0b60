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

const JOB = 'Batch Job State Change'
const disturb = (action: string, more: object = {}) => ({
  kind: 'disturb-event',
  action,
  detailType: JOB,
  ...more,
})

describe.concurrent('a run of whose jobs the events', () => {
  it.each([
    ['come twice', disturb('duplicate')],
    ['come late, each RUNNING after the end', disturb('delay', { status: 'RUNNING', delaySeconds: 3 })],
    [
      'come late, each end after the next step has begun',
      disturb('delay', { status: 'SUCCEEDED', delaySeconds: 2 }),
    ],
    ['come late and in disorder', disturb('delay', { delaySeconds: 1, times: 5 })],
    ['never say that they run', disturb('drop', { status: 'RUNNING' })],
  ])('%s is told as it was', async (_, rule) => {
    const runId = await scenarios.startIn([rule])
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(run.timeline.at(-1)?.status).toBe('succeeded')
    expect(run.attempts.map(({ step, jobStatus }) => [step, jobStatus])).toEqual([
      ['prepare', 'SUCCEEDED'],
      ['train', 'SUCCEEDED'],
      ['evaluate', 'SUCCEEDED'],
    ])
    for (const { executions } of run.attempts) expect(executions).toHaveLength(1)
    expect(run.costUsd).toBeGreaterThan(0)
    expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
  })

  it('come twice counts a failed try once', async () => {
    const runId = await scenarios.startIn([disturb('duplicate')], `train:exit=${EXIT_CODES.interrupted}@1`)
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(trainJobs(run)).toHaveLength(2)
    expect(run.timeline.filter(({ note }) => note)).toHaveLength(1)
  })
})
