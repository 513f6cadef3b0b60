import { StopExecutionCommand } from '@aws-sdk/client-sfn'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { RunStore } from '../../../core/store/run-store.ts'
import { openTable } from '../../../core/store/table.ts'
import { endChaos, setChaos } from '../../../local/chaos.ts'
import { Deployment, trainJobs } from '../../support/deployment.ts'
import { eventually } from '../../support/processes.ts'
import { priceOf, Scenarios } from '../../support/scenarios.ts'

const deployment = await Deployment.open()
const scenarios = new Scenarios(deployment)
const runs = new RunStore(openTable(deployment.dynamo, deployment.tableName))
afterEach(() => endChaos(deployment.port))
afterAll(() => scenarios.booksBalance())

const drop = (more: object) => ({ kind: 'disturb-event', action: 'drop', ...more })

describe('the reconciler', () => {
  it('starts a run that was stored and never started: once, however often it looks at once', async () => {
    const runId = await scenarios.store()
    await Promise.all([1, 2, 3].map(() => scenarios.reconcile()))
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.attempts).toHaveLength(3)
  })

  it('ends a run whose execution is gone: once, and gives back its budget', async () => {
    const runId = await scenarios.store()
    await runs.advance(runId, { status: 'planning', at: new Date().toISOString(), moment: {} })
    await Promise.all([scenarios.reconcile(), scenarios.reconcile()])
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({ status: 'failed', failure: { code: 'EXECUTION_GONE' }, spentUsd: 0 })
    expect(run.timeline.filter(({ note }) => note?.startsWith('Repaired'))).toHaveLength(1)
  })

  it('ends a run whose execution was stopped, and nobody heard of it', async () => {
    const runId = await scenarios.startIn(
      [drop({ detailType: 'Step Functions Execution Status Change', status: 'ABORTED' })],
      'train:sleep=60',
    )
    await scenarios.until(runId, 'trains', ({ status }) => status === 'training')
    await deployment.sfn.send(new StopExecutionCommand({ executionArn: deployment.executionArn(runId) }))
    await scenarios.reconcile()
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({ status: 'failed', failure: { class: 'aborted', code: 'EXECUTION_ABORTED' } })
    expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
  })

  it.each(['train', 'evaluate'])(
    'learns that %s has ended where its event was lost, and settles',
    async (step) => {
      const lost = drop({ status: 'SUCCEEDED' })
      const runId = await scenarios.startIn([])
      // The events of other runs are of no concern; of this one, those of one step.
      await setChaos(deployment.port, { rules: [{ ...lost, run: `roslin-${step}-${runId}` }] }, true)
      await scenarios.until(runId, 'succeeds', ({ status }) => status === 'succeeded')
      const before = await deployment.client.getRun(runId)
      expect(before.attempts.find((attempt) => attempt.step === step)?.jobStatus).not.toBe('SUCCEEDED')
      expect(before.reservation).toBeDefined()
      await scenarios.reconcile()
      const run = await scenarios.nothingIsLeft(runId)
      expect(run.status).toBe('succeeded')
      expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
    },
  )

  it('ends a job that no live run owns, and leaves one that is not ours', async () => {
    const runId = await scenarios.startIn([], 'train:sleep=60@9')
    const before = await scenarios.nothingIsLeft(runId)
    const trained = before.attempts.find(({ step }) => step === 'train')?.jobId ?? ''
    const attempt = [{ name: 'ROSLIN_ATTEMPT', value: '9' }]
    const orphan = await scenarios.submitAgain(trained, attempt)
    const foreign = await scenarios.submitAgain(trained, attempt, {})
    await eventually('the orphan runs', async () =>
      (await deployment.job(orphan))?.status === 'RUNNING' ? true : undefined,
    )
    expect((await scenarios.reconcile()).error).toBeUndefined()
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(await deployment.job(orphan)).toMatchObject({
      status: 'FAILED',
      statusReason: 'No live run owns the job.',
    })
    expect((await deployment.job(foreign))?.status).not.toBe('FAILED')
    await deployment.terminate(foreign)
    // It cost what it cost, and that is accounted.
    expect(run.costUsd).toBeGreaterThan(before.costUsd)
  })

  it('moves a job on that waits past its option for a cause that Batch cannot name', async () => {
    const quota = { kind: 'no-capacity', reason: 'vcpu-quota', step: 'train', purchase: 'on-demand' }
    const runId = await scenarios.startIn([quota])
    await scenarios.until(runId, 'waits', ({ attempts }) => attempts.at(-1)?.jobStatus === 'RUNNABLE')
    await scenarios.reconcile()
    expect(await deployment.client.getRun(runId)).toMatchObject({ status: 'waiting' })
    await scenarios.reconcile({ minutesFromNow: 25 * 60 })
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(trainJobs(run)).toEqual([
      [0, 0, undefined],
      [1, 1, 0],
    ])
    expect(run.attempts.find(({ step }) => step === 'train')?.statusReason).toMatch(/^ROSLIN:WAITED_TOO_LONG/)
  })

  it('dies between two of its own writes, and mends the rest the next time', async () => {
    const runIds = [await scenarios.store(), await scenarios.store()]
    await setChaos(deployment.port, {
      rules: [{ kind: 'kill-function', function: 'ReconcilerHandler', afterWrites: 1 }],
    })
    expect((await scenarios.reconcile()).error).toBeTruthy()
    expect((await scenarios.reconcile()).error).toBeUndefined()
    for (const runId of runIds) {
      const run = await scenarios.nothingIsLeft(runId)
      expect(run.status).toBe('succeeded')
      expect(run.attempts).toHaveLength(3)
    }
  })

  it('changes nothing of a run that is as it should be', async () => {
    const runId = await scenarios.startIn([], 'train:sleep=3')
    await scenarios.until(runId, 'trains', ({ status }) => status === 'training')
    const before = await deployment.client.getRun(runId)
    await scenarios.reconcile()
    const { attempts, timeline, reservation } = await deployment.client.getRun(runId)
    expect({ attempts, timeline, reservation }).toEqual({
      attempts: before.attempts,
      timeline: before.timeline,
      reservation: before.reservation,
    })
    expect(await scenarios.nothingIsLeft(runId)).toMatchObject({ status: 'succeeded' })
  })
})
