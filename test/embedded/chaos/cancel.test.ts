import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JobStatus, RunStatus } from '../../../core/run.ts'
import { stopFile } from '../../../core/storage-layout.ts'
import { endChaos, setChaos } from '../../../local/chaos.ts'
import { Deployment, trainJobs } from '../../support/deployment.ts'
import { priceOf, type Rule, Scenarios } from '../../support/scenarios.ts'

const deployment = await Deployment.open()
const scenarios = new Scenarios(deployment)
// As long as the jobs of this file may wait.
beforeAll(() => setChaos(deployment.port, { timeScale: 1 }))
afterAll(async () => {
  await endChaos(deployment.port)
  await scenarios.booksBalance()
})

const slow = (service: string, operation: string, more: object = {}): Rule => ({
  kind: 'fail-request',
  service,
  operation,
  error: 'internal-error',
  ...more,
})

/**
 * Runs that stay in a state, so that they can be cancelled there: the state, whether at once, what the job does then, what is
 * told and done to it.
 */
const staying: readonly [RunStatus, boolean, JobStatus | undefined, string, readonly Rule[]][] = [
  // Plan tries to write its plan, in vain, for some seconds.
  ['planning', false, undefined, '', [slow('s3', 'PutObject', { times: 9 })]],
  ['preparing', false, 'RUNNING', 'prepare:sleep=60', []],
  ['waiting', false, 'RUNNABLE', '', [{ kind: 'no-capacity', step: 'train' }]],
  ['waiting', true, 'RUNNABLE', '', [{ kind: 'no-capacity', step: 'train' }]],
  ['training', false, 'RUNNING', 'train:sleep=60', []],
  ['training', true, 'RUNNING', 'train:sleep=60', []],
  ['evaluating', true, 'RUNNING', 'evaluate:sleep=60', []],
]

describe.concurrent('a run that is cancelled', () => {
  it.each(staying)(
    'while it is %s (now: %o) ends in seconds, and gives back its money',
    async (status, now, job, told, rules) => {
      const runId = await scenarios.startIn(rules, told)
      const before = await scenarios.until(
        runId,
        `is ${status}`,
        (run) => run.status === status && run.attempts.at(-1)?.jobStatus === job,
      )
      // A job can wait before the scheduler has looked for a machine.
      await scenarios.haveGoneWrong(runId)
      const live = before.attempts.filter(({ jobStatus }) => jobStatus === job)
      if (job === 'RUNNING') await deployment.processOf(runId, live[0]?.step ?? '')
      const askedAt = Date.now()
      expect(await deployment.client.cancelRun(runId, now)).toMatchObject({ status: 'cancelled' })
      const run = await scenarios.nothingIsLeft(runId)
      expect((Date.now() - askedAt) / 1000).toBeLessThan(15)
      expect(run).toMatchObject({ status: 'cancelled' })
      expect(run).not.toHaveProperty('failure')
      expect(run.timeline.at(-1)?.status).toBe('cancelled')
      expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
      // Told by a file, since a signal says nothing but to stop.
      expect(await deployment.keys(`runs/${runId}/stops/`)).toEqual(
        now ? live.map(({ jobId }) => `runs/${runId}/${stopFile(jobId)}`) : [],
      )
    },
  )

  it('before it has been started never starts', async () => {
    const runId = await scenarios.store()
    expect(await deployment.client.getRun(runId)).toMatchObject({ status: 'queued' })
    await deployment.client.cancelRun(runId, false)
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({ status: 'cancelled', costUsd: 0, attempts: [] })
    // Started late, by a request that was on its way: nothing comes of it.
    await scenarios.startStored(runId)
    expect(await scenarios.nothingIsLeft(runId)).toMatchObject({ status: 'cancelled', attempts: [] })
  })

  it('twice at once is cancelled once', async () => {
    const runId = await scenarios.startIn([], 'train:sleep=60')
    await scenarios.until(runId, 'trains', ({ status }) => status === 'training')
    const answers = await Promise.all([1, 2, 3].map(() => deployment.client.cancelRun(runId, true)))
    for (const { status } of answers) expect(status).toBe('cancelled')
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.timeline.filter(({ status }) => status === 'cancelled')).toHaveLength(1)
  })

  it('as it ends keeps one of both ends', async () => {
    const runId = await scenarios.startIn([])
    await scenarios.until(runId, 'evaluates', ({ status }) => ['evaluating', 'registering'].includes(status))
    await deployment.client.cancelRun(runId, false).catch(() => undefined)
    const run = await scenarios.nothingIsLeft(runId)
    expect(['succeeded', 'cancelled']).toContain(run.status)
    expect('model' in run).toBe(run.status === 'succeeded')
  })

  it('while its last job is taken back by Spot is cancelled, and not tried again', async () => {
    const rule = { kind: 'reclaim-host', step: 'train', afterSeconds: 0.3, silent: true, times: 1 }
    const runId = await scenarios.startIn([rule], 'train:sleep=60')
    await scenarios.until(runId, 'lost its machine', ({ timeline }) =>
      timeline.some(({ note }) => note?.includes('went away')),
    )
    await deployment.client.cancelRun(runId, false)
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('cancelled')
    expect(trainJobs(run).length).toBeLessThanOrEqual(2)
  })
})

describe('a run that is cancelled', () => {
  it('though the API dies after it has said so: what it left, the reconciler ends', async () => {
    const runId = await scenarios.startIn([], 'train:sleep=60')
    await scenarios.until(runId, 'trains', ({ status }) => status === 'training')
    await scenarios.chaos(runId, { kind: 'kill-function', function: 'ApiHandler', afterWrites: 2 })
    expect(await deployment.sendOnce(`/v1/runs/${runId}/cancel`, { now: false })).toBe(500)
    expect(await deployment.client.getRun(runId)).toMatchObject({ status: 'cancelled' })
    await scenarios.reconcile()
    expect(await scenarios.nothingIsLeft(runId)).toMatchObject({ status: 'cancelled' })
  })
})
