import { StopExecutionCommand } from '@aws-sdk/client-sfn'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { endChaos, setChaos } from '../../../local/chaos.ts'
import { Deployment, trainJobs } from '../../support/deployment.ts'
import { eventually } from '../../support/processes.ts'

const deployment = await Deployment.open()
afterEach(() => endChaos(deployment.port))
afterAll(() => deployment.booksBalance())

const drop = (more: object) => ({ kind: 'disturb-event', action: 'drop', ...more })

describe('the reconciler', () => {
  it('starts a run that was stored and never started', async () => {
    const runId = await deployment.store()
    await deployment.reconcile()
    const run = await deployment.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(run.timeline.filter(({ note }) => note)).toEqual([
      expect.objectContaining({ note: 'Repaired: the run was stored and never started.' }),
    ])
  })

  it('starts it once, however often it looks at once', async () => {
    const runId = await deployment.store()
    await Promise.all([1, 2, 3].map(() => deployment.reconcile()))
    const run = await deployment.nothingIsLeft(runId)
    expect(run.attempts).toHaveLength(3)
  })

  it('leaves a run alone that has only just been stored', async () => {
    const runId = await deployment.store()
    await deployment.reconcile({ minutesFromNow: 0 })
    expect(await deployment.client.getRun(runId)).toMatchObject({ status: 'queued' })
    await deployment.client.cancelRun(runId, false)
    await deployment.nothingIsLeft(runId)
  })

  it('ends a run whose execution was stopped, and nobody heard of it', async () => {
    const runId = await deployment.startIn(
      [drop({ detailType: 'Step Functions Execution Status Change', status: 'ABORTED' })],
      'train:sleep=60',
    )
    await deployment.until(runId, 'trains', ({ status }) => status === 'training')
    await deployment.sfn.send(new StopExecutionCommand({ executionArn: deployment.executionArn(runId) }))
    await deployment.reconcile()
    const run = await deployment.nothingIsLeft(runId)
    expect(run).toMatchObject({ status: 'failed', failure: { class: 'aborted', code: 'EXECUTION_ABORTED' } })
    expect(run.costUsd).toBeCloseTo(deployment.priceOf(run), 10)
  })

  it.each(['train', 'evaluate'])(
    'learns that %s has ended where its event was lost, and settles',
    async (step) => {
      const lost = drop({ status: 'SUCCEEDED' })
      const runId = await deployment.startIn([])
      // The events of other runs are of no concern; of this one, those of one step.
      await setChaos(deployment.port, { rules: [{ ...lost, run: `roslin-${step}-${runId}` }] }, true)
      await deployment.until(runId, 'succeeds', ({ status }) => status === 'succeeded')
      const before = await deployment.client.getRun(runId)
      expect(before.attempts.find((attempt) => attempt.step === step)?.jobStatus).not.toBe('SUCCEEDED')
      expect(before.reservation).toBeDefined()
      await deployment.reconcile()
      const run = await deployment.nothingIsLeft(runId)
      expect(run.status).toBe('succeeded')
      expect(run.costUsd).toBeCloseTo(deployment.priceOf(run), 10)
    },
  )

  it('ends a job that no live run owns', async () => {
    const runId = await deployment.startIn([], 'train:sleep=60@9')
    const before = await deployment.nothingIsLeft(runId)
    const trained = before.attempts.find(({ step }) => step === 'train')?.jobId ?? ''
    const orphan = await deployment.submitAgain(trained, [{ name: 'ROSLIN_ATTEMPT', value: '9' }])
    await eventually('the orphan runs', async () =>
      (await deployment.job(orphan))?.status === 'RUNNING' ? true : undefined,
    )
    await deployment.reconcile()
    const run = await deployment.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(await deployment.job(orphan)).toMatchObject({
      status: 'FAILED',
      statusReason: 'No live run owns the job.',
    })
    // It cost what it cost, and that is accounted.
    expect(run.costUsd).toBeGreaterThan(before.costUsd)
  })

  it('moves a job on that waits past its option for a cause that Batch cannot name', async () => {
    const quota = { kind: 'no-capacity', reason: 'vcpu-quota', step: 'train', purchase: 'on-demand' }
    const runId = await deployment.startIn([quota])
    await deployment.until(runId, 'waits', ({ waiting }) => waiting !== undefined)
    await deployment.reconcile()
    expect(await deployment.client.getRun(runId)).toMatchObject({ status: 'waiting' })
    await deployment.reconcile({ minutesFromNow: 25 * 60 })
    const run = await deployment.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(trainJobs(run)).toEqual([
      [0, 0, undefined],
      [1, 1, 0],
    ])
    expect(run.attempts.find(({ step }) => step === 'train')?.statusReason).toMatch(/^ROSLIN:WAITED_TOO_LONG/)
  })

  it('dies between two of its own writes, and mends the rest the next time', async () => {
    const runIds = [await deployment.store(), await deployment.store()]
    await setChaos(deployment.port, {
      rules: [{ kind: 'kill-function', function: 'ReconcilerHandler', afterWrites: 1 }],
    })
    expect((await deployment.reconcile()).error).toBeTruthy()
    expect((await deployment.reconcile()).error).toBeUndefined()
    for (const runId of runIds) {
      const run = await deployment.nothingIsLeft(runId)
      expect(run.status).toBe('succeeded')
      expect(run.attempts).toHaveLength(3)
    }
  })

  it('changes nothing of a run that is as it should be', async () => {
    const runId = await deployment.startIn([], 'train:sleep=3')
    await deployment.until(runId, 'trains', ({ status }) => status === 'training')
    const before = await deployment.client.getRun(runId)
    await deployment.reconcile()
    const { attempts, timeline, reservation } = await deployment.client.getRun(runId)
    expect({ attempts, timeline, reservation }).toEqual({
      attempts: before.attempts,
      timeline: before.timeline,
      reservation: before.reservation,
    })
    expect(await deployment.nothingIsLeft(runId)).toMatchObject({ status: 'succeeded' })
  })
})
