import { describe, expect, it } from 'vitest'
import { EXIT_CODES } from '../../core/exit-codes.ts'
import { jobHasEnded, type RunStatus } from '../../core/run.ts'
import type { RunDetail } from '../../core/run-view.ts'
import { Deployment } from '../support/deployment.ts'
import { eventually } from '../support/processes.ts'
import { Scenarios } from '../support/scenarios.ts'
import { rejectionOf } from '../support/thrown.ts'

const deployment = await Deployment.open()
const scenarios = new Scenarios(deployment)
const { client } = deployment

const steps = (run: RunDetail) => run.attempts.map(({ step, attempt }) => [step, attempt])

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
  it('cannot be when it has ended: that is said, and nothing changes', async () => {
    const ended = await deployment.ended((await deployment.start()).runId)
    const error = await rejectionOf(client.cancelRun(ended.runId, false))
    expect(error.code).toBe('RUN_ENDED')
    expect((await client.getRun(ended.runId)).status).toBe('succeeded')
  })
})

describe('a run that goes on', () => {
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
})

describe('a run that waits for a machine', () => {
  it('says why, and what comes next and when', async () => {
    const runId = await scenarios.startIn([{ kind: 'no-capacity', step: 'train', purchase: 'on-demand' }])
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

  it('says so in Prepare too', async () => {
    const runId = await scenarios.startIn([{ kind: 'no-capacity', step: 'prepare' }])
    const { waiting } = await deployment.until(runId, 'waits', (run) =>
      Boolean(run.waiting?.because.startsWith('AWS')),
    )
    expect(waiting).toMatchObject({ because: 'AWS has no m7i on-demand free right now.', nextAt: null })
    await client.cancelRun(runId, true)
    await over(runId)
  })
})
