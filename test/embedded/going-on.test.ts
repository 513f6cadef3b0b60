import { describe, expect, it } from 'vitest'
import { EXIT_CODES } from '../../core/exit-codes.ts'
import { jobHasEnded, type RunStatus } from '../../core/run.ts'
import type { RunDetail } from '../../core/run-view.ts'
import { Deployment } from '../support/deployment.ts'
import { eventually } from '../support/processes.ts'
import { Scenarios } from '../support/scenarios.ts'
import { rejectionOf } from '../support/thrown.ts'

const deployment = await Deployment.open()
const { client } = deployment

const steps = (run: RunDetail) => run.attempts.map(({ step, attempt }) => [step, attempt])
const statuses = (run: RunDetail) => run.timeline.map(({ status }) => status)

/** A run in the middle of a step, which its stub would stay in for ten minutes. */
const inTheMiddleOf = async (step: string, status: RunStatus) => {
  const { runId } = await deployment.start(`${step}:sleep=600@1`)
  await deployment.until(runId, `is ${status}`, (run) => run.status === status)
  await deployment.processOf(runId, step)
  return runId
}

/** The run once it and its jobs have ended and its money is accounted. */
const over = (runId: string) =>
  eventually(`run ${runId} is over`, async () => {
    const run = await client.getRun(runId)
    const ended = run.attempts.every(({ jobStatus }) => jobHasEnded(jobStatus))
    return ended && !run.reservation ? run : undefined
  })

describe('a run that is cancelled', () => {
  it.concurrent.each([
    ['prepare', 'preparing'],
    ['train', 'training'],
    ['evaluate', 'evaluating'],
  ] as const)(
    'in %s is so at once; its job is told to stop, and its budget is given back',
    async (step, status) => {
      const runId = await inTheMiddleOf(step, status)
      const answered = await client.cancelRun(runId, false)
      expect(answered.status).toBe('cancelled')
      const run = await over(runId)
      expect(run.status).toBe('cancelled')
      expect(run.attempts.at(-1)).toMatchObject({ step, executions: [{ exitCode: EXIT_CODES.interrupted }] })
      expect(run.spentUsd).toBeDefined()
      expect(await deployment.executionStatus(runId)).toBe('ABORTED')
      expect(statuses(run).at(-1)).toBe('cancelled')
    },
  )

  it('twice is cancelled once', async () => {
    const runId = await inTheMiddleOf('train', 'training')
    await Promise.all([client.cancelRun(runId, false), client.cancelRun(runId, false)])
    await client.cancelRun(runId, false)
    expect(statuses(await over(runId)).filter((status) => status === 'cancelled')).toHaveLength(1)
  })

  it('at once leaves its job word that no checkpoint is wanted', async () => {
    const runId = await inTheMiddleOf('train', 'training')
    const { attempts } = await client.cancelRun(runId, true)
    const train = attempts.find(({ step }) => step === 'train')
    const uri = `s3://${deployment.bucket}/runs/${runId}/stops/${train?.jobId}.json`
    expect(await deployment.read(uri)).toEqual({ checkpoint: false })
    await over(runId)
  })

  it('cannot be when it has ended: that is said, and nothing changes', async () => {
    const ended = await deployment.ended((await deployment.start()).runId)
    const error = await rejectionOf(client.cancelRun(ended.runId, false))
    expect(error.code).toBe('RUN_ENDED')
    expect((await client.getRun(ended.runId)).status).toBe('succeeded')
  })
})

describe('a run that goes on', () => {
  it('after a cancellation does not prepare again, counts its attempts on, and succeeds', async () => {
    const runId = await inTheMiddleOf('train', 'training')
    await client.cancelRun(runId, false)
    await over(runId)
    expect(await client.resumeRun(runId, {})).toMatchObject({ execution: 1 })
    const run = await deployment.ended(runId)
    expect(run.status).toBe('succeeded')
    expect(steps(run)).toEqual([
      ['prepare', 0],
      ['train', 0],
      ['train', 1],
      ['evaluate', 1],
    ])
    expect(run.timeline.find(({ note }) => note?.startsWith('Resumed'))).toMatchObject({
      status: 'queued',
      note: 'Resumed with train.',
    })
    expect(await deployment.executionStatus(`${runId}-1`)).toBe('SUCCEEDED')
  })

  it('after a failure begins with the step that failed', async () => {
    const { runId } = await deployment.start(`evaluate:exit=${EXIT_CODES.userError}@1`)
    const failed = await deployment.ended(runId)
    expect(failed).toMatchObject({ status: 'failed', failure: { step: 'evaluate' } })
    await client.resumeRun(runId, {})
    const run = await deployment.ended(runId)
    expect(run.status).toBe('succeeded')
    expect(run).not.toHaveProperty('failure')
    expect(steps(run).filter(([step]) => step !== 'evaluate')).toEqual(
      steps(failed).filter(([step]) => step !== 'evaluate'),
    )
  })

  it('can begin with an earlier step, and not with one that it has not come to', async () => {
    const { runId } = await deployment.start(`train:exit=${EXIT_CODES.userError}@1`)
    await deployment.ended(runId)
    expect((await rejectionOf(client.resumeRun(runId, { from: 'evaluate' }))).code).toBe('STEP_NOT_REACHED')
    await client.resumeRun(runId, { from: 'prepare' })
    const run = await deployment.ended(runId)
    expect(steps(run).map(([step]) => step)).toEqual(['prepare', 'train', 'prepare', 'train', 'evaluate'])
  })

  it('can fail again, and go on again', async () => {
    const { userError } = EXIT_CODES
    const { runId } = await deployment.start(`train:exit=${userError}@1 train:exit=${userError}@2`)
    await deployment.ended(runId)
    await client.resumeRun(runId, {})
    expect(await deployment.ended(runId)).toMatchObject({ status: 'failed', execution: 1 })
    await client.resumeRun(runId, {})
    expect(await deployment.ended(runId)).toMatchObject({ status: 'succeeded', execution: 2 })
  })

  it('has ended before, and not succeeded: else that is said', async () => {
    const runId = await inTheMiddleOf('train', 'training')
    expect((await rejectionOf(client.resumeRun(runId, {}))).code).toBe('RUN_NOT_ENDED')
    await client.cancelRun(runId, false)
    await over(runId)
    const succeeded = await deployment.ended((await deployment.start()).runId)
    expect((await rejectionOf(client.resumeRun(succeeded.runId, {}))).code).toBe('RUN_ENDED')
  })

  it('is resumed once by two who ask at once', async () => {
    const { runId } = await deployment.start(`train:exit=${EXIT_CODES.userError}@1`)
    await deployment.ended(runId)
    await Promise.allSettled([client.resumeRun(runId, {}), client.resumeRun(runId, {})])
    const run = await deployment.ended(runId)
    expect(run).toMatchObject({ status: 'succeeded', execution: 1 })
  })
})

describe('a run that waits for a machine', () => {
  it('says why, and what comes next and when', async () => {
    const runId = await new Scenarios(deployment).startIn([
      { kind: 'no-capacity', step: 'train', purchase: 'on-demand' },
    ])
    const { waiting, attempts } = await deployment.until(runId, 'waits', (run) =>
      Boolean(run.waiting?.because.startsWith('AWS')),
    )
    const submittedAt = Date.parse(attempts.at(-1)?.createdAt ?? '')
    expect(waiting).toEqual({
      because: 'AWS has no m7i.large on-demand free right now.',
      next: expect.stringMatching(/^If none has come by .* UTC, it goes on with m7i\.large spot\.$/),
      // A day, as teams/demo.yaml has it.
      nextAt: new Date(submittedAt + 24 * 3600 * 1000).toISOString(),
    })
    await client.cancelRun(runId, true)
    await over(runId)
  })
})
