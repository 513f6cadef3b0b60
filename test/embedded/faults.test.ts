import { StopExecutionCommand } from '@aws-sdk/client-sfn'
import { describe, expect, it } from 'vitest'
import { EXIT_CODES } from '../../core/exit-codes.ts'
import { Deployment, trainJobs } from '../support/deployment.ts'
import { gone, isAlive } from '../support/processes.ts'

const deployment = await Deployment.open()

describe('a trainer that ends badly', () => {
  const { interrupted, storage, ...codes } = EXIT_CODES

  it.concurrent.each([
    ['user-error', codes.userError],
    ['model-unreadable', codes.modelUnreadable],
    ['out-of-memory', codes.outOfMemory],
    ['diverged', codes.diverged],
    ['storage-denied', codes.storageDenied],
  ])('gives the class %s for exit code %i, and is not tried again', async (name, code) => {
    const { runId } = await deployment.start(`train:exit=${code}`)
    const run = await deployment.ended(runId)
    expect(run).toMatchObject({ status: 'failed', failure: { step: 'train', class: name } })
    expect(run).not.toHaveProperty('model')
    const train = run.attempts.find(({ step }) => step === 'train')
    expect(train).toMatchObject({ jobStatus: 'FAILED', executions: [{ exitCode: code }] })
    expect(run.attempts.some(({ step }) => step === 'evaluate')).toBe(false)
  })

  it.concurrent.each(['prepare', 'evaluate'])('is told apart by its step: %s', async (step) => {
    const { runId } = await deployment.start(`${step}:exit=10`)
    expect(await deployment.ended(runId)).toMatchObject({
      status: 'failed',
      failure: { step, class: 'user-error' },
    })
  })

  it('has the last word on why, where it could still write it', async () => {
    const { runId } = await deployment.start('train:error=DATASET_TOO_SMALL')
    expect((await deployment.ended(runId)).failure).toEqual({
      step: 'train',
      class: 'user-error',
      code: 'DATASET_TOO_SMALL',
      message: 'The stub was told to fail.',
      nextStep: 'Tell it something else.',
    })
  })

  it('is tried again after an interruption, from the same option, and goes on to succeed', async () => {
    const { runId } = await deployment.start(`train:sleep=1@1 train:exit=${interrupted}@1 train:sleep=1`)
    const run = await deployment.ended(runId)
    expect(run.failure).toBeUndefined()
    expect(trainJobs(run)).toEqual([
      [0, 0, interrupted],
      [1, 0, 0],
    ])
    const statuses = run.timeline.map(({ status }) => status)
    expect(statuses.filter((status) => status === 'waiting' || status === 'training')).toEqual([
      'waiting',
      'training',
      'waiting',
      'training',
    ])
    expect(run.timeline.find(({ note }) => note)?.note).toContain('Trying m7i.large on-demand again.')
    expect(statuses.at(-1)).toBe('succeeded')
  })

  it.concurrent.each([
    ['driver-mismatch', codes.driverMismatch],
    ['resources-missing', codes.resourcesMissing],
    ['gpu-unsupported', codes.gpuUnsupported],
  ])('goes on to the next capacity option after %s, and says why', async (_, code) => {
    const { runId } = await deployment.start(`train:exit=${code}@1`)
    const run = await deployment.ended(runId)
    expect(run.status).toBe('succeeded')
    expect(trainJobs(run)).toEqual([
      [0, 0, code],
      [1, 1, 0],
    ])
    expect(run.capacity).toMatchObject({ instanceType: 'm7i.large', purchase: 'spot' })
    expect(run.timeline.find(({ note }) => note)).toMatchObject({
      status: 'waiting',
      note: expect.stringMatching(/Going on with m7i.large spot\.$/),
    })
    // What was trained on the second is also evaluated there.
    expect(run.attempts.find(({ step }) => step === 'evaluate')).toMatchObject({ option: 1 })
  })

  it('fails when its last option has failed too', async () => {
    const { runId } = await deployment.start(`train:exit=${codes.driverMismatch}`)
    const run = await deployment.ended(runId)
    expect(run).toMatchObject({ status: 'failed', failure: { step: 'train', class: 'driver-mismatch' } })
    expect(trainJobs(run).map(([, option]) => option)).toEqual([0, 1])
  })

  it('is given one more try where nobody knows what it was', async () => {
    const { runId } = await deployment.start(`train:exit=${codes.unexpected}`)
    const run = await deployment.ended(runId)
    expect(run).toMatchObject({ status: 'failed', failure: { class: 'unknown' } })
    expect(trainJobs(run)).toHaveLength(2)
  })

  it('has a budget of tries for a passing fault', async () => {
    const { runId } = await deployment.start(`train:exit=${storage}`)
    const run = await deployment.ended(runId)
    expect(run.failure).toMatchObject({ step: 'train', class: 'storage' })
    expect(trainJobs(run)).toEqual([
      [0, 0, storage],
      [1, 0, storage],
      [2, 0, storage],
    ])
  })

  it('that stopped at its cost limit leaves a run that is budget-stopped', async () => {
    const { runId } = await deployment.start(`train:exit=${codes.budgetStopped}`)
    const run = await deployment.ended(runId)
    expect(run).toMatchObject({ status: 'budget-stopped', failure: { class: 'budget' } })
    expect(trainJobs(run)).toHaveLength(1)
  })

  it('and is killed with -9 is tried once more; killed again, it leaves a failed run, which says so', async () => {
    const { runId } = await deployment.start('train:sleep=600@1 train:die')
    await deployment.until(runId, 'trains', ({ status }) => status === 'training')
    process.kill(await deployment.processOf(runId, 'train'), 'SIGKILL')
    const run = await deployment.ended(runId)
    expect(run).toMatchObject({ status: 'failed', failure: { step: 'train', class: 'killed' } })
    expect(trainJobs(run)).toEqual([
      [0, 0, 137],
      [1, 0, 137],
    ])
  })

  it('takes the processes it started with it', async () => {
    const { runId } = await deployment.start('train:orphan train:exit=1')
    await deployment.ended(runId)
    const { lines } = await deployment.client.getLogs(runId, undefined)
    const child = Number(lines.find(({ message }) => message.startsWith('child '))?.message.split(' ')[1])
    expect(child).toBeGreaterThan(0)
    await gone('the child', () => (isAlive(child) ? [child] : []))
  })
})

describe('an execution that is stopped from outside', () => {
  it('leaves a failed run, and no job that goes on', async () => {
    const { runId } = await deployment.start('train:sleep=600')
    const training = await deployment.until(runId, 'trains', ({ status }) => status === 'training')
    const trainer = await deployment.processOf(runId, 'train')
    await deployment.sfn.send(
      new StopExecutionCommand({ executionArn: deployment.executionArn(runId), cause: 'enough' }),
    )
    const run = await deployment.ended(runId)
    expect(run).toMatchObject({
      status: 'failed',
      failure: {
        step: 'flow',
        class: 'aborted',
        code: 'EXECUTION_ABORTED',
        message: expect.stringContaining('enough'),
      },
    })
    await gone('the trainer', () => (isAlive(trainer) ? [trainer] : []))
    const jobId = training.attempts.find(({ step }) => step === 'train')?.jobId ?? ''
    expect(await deployment.job(jobId)).toMatchObject({ status: 'FAILED' })
  })
})
