import { afterAll, describe, expect, it } from 'vitest'
import { EXIT_CODES } from '../../../core/exit-codes.ts'
import { endChaos } from '../../../local/chaos.ts'
import { Deployment } from '../../support/deployment.ts'
import { priceOf, Scenarios } from '../../support/scenarios.ts'

const deployment = await Deployment.open()
const scenarios = new Scenarios(deployment)
afterAll(async () => {
  await endChaos(deployment.port)
  await scenarios.booksBalance()
})
const { client } = deployment

const stepsOf = (attempts: readonly { readonly execution: number; readonly step: string }[]) =>
  attempts.map(({ execution, step }) => `${execution} ${step}`)

describe.concurrent('a run that goes on', () => {
  it('after it failed in training trains again, and prepares nothing', async () => {
    const runId = await scenarios.startIn([], `train:exit=${EXIT_CODES.userError}@1`)
    expect(await scenarios.nothingIsLeft(runId)).toMatchObject({ status: 'failed' })
    const resumed = await client.resumeRun(runId, {})
    expect(resumed).toMatchObject({ status: 'queued', execution: 1 })
    expect(resumed.reservation?.usd).toBeGreaterThan(0)
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({ status: 'succeeded', execution: 1, model: { name: 'stub' } })
    expect(run).not.toHaveProperty('failure')
    expect(stepsOf(run.attempts)).toEqual(['0 prepare', '0 train', '1 train', '1 evaluate'])
    expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
  })

  it('after it was cancelled while it evaluated keeps what it trained', async () => {
    const runId = await scenarios.startIn([], 'evaluate:sleep=60@1')
    await scenarios.until(runId, 'evaluates', ({ status }) => status === 'evaluating')
    await deployment.processOf(runId, 'evaluate')
    await client.cancelRun(runId, true)
    await scenarios.nothingIsLeft(runId)
    await client.resumeRun(runId, {})
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(stepsOf(run.attempts)).toEqual(['0 prepare', '0 train', '0 evaluate', '1 evaluate'])
  })

  it('asked for twice at once goes on once', async () => {
    const runId = await scenarios.startIn([], `train:exit=${EXIT_CODES.userError}@1`)
    await scenarios.nothingIsLeft(runId)
    const answers = await Promise.allSettled([1, 2, 3].map(() => client.resumeRun(runId, {})))
    expect(answers.some(({ status }) => status === 'fulfilled')).toBe(true)
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({ status: 'succeeded', execution: 1 })
    expect(stepsOf(run.attempts)).toEqual(['0 prepare', '0 train', '1 train', '1 evaluate'])
  })

  it('though the events of its first jobs come only then', async () => {
    const late = { kind: 'disturb-event', action: 'delay', status: 'RUNNING', delaySeconds: 4, times: 2 }
    const runId = await scenarios.startIn([late], `train:exit=${EXIT_CODES.userError}@1 train:sleep=1`)
    await scenarios.nothingIsLeft(runId)
    await client.resumeRun(runId, {})
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(run.timeline.at(-1)?.status).toBe('succeeded')
  })

  it('though Plan dies in its second execution too', async () => {
    const runId = await scenarios.startIn([], `train:exit=${EXIT_CODES.userError}@1`)
    await scenarios.nothingIsLeft(runId)
    await scenarios.chaos(runId, { kind: 'kill-function', function: 'FlowPlan', afterWrites: 2 })
    await client.resumeRun(runId, {})
    const run = await scenarios.nothingIsLeft(runId)
    expect(run).toMatchObject({ status: 'succeeded', execution: 1 })
    expect(stepsOf(run.attempts)).toEqual(['0 prepare', '0 train', '1 train', '1 evaluate'])
  })

  // The first write is of the request's key.
  it.each([2, 3])('though the API dies after write %i of the request', async (afterWrites) => {
    const runId = await scenarios.startIn([], `train:exit=${EXIT_CODES.userError}@1`)
    await scenarios.nothingIsLeft(runId)
    await scenarios.chaos(runId, { kind: 'kill-function', function: 'ApiHandler', afterWrites })
    expect(await deployment.sendOnce(`/v1/runs/${runId}/resume`, {})).toBe(500)
    if (afterWrites === 2) {
      expect(await client.getRun(runId)).toMatchObject({ status: 'queued', execution: 1 })
      await scenarios.reconcile()
    }
    expect(await scenarios.nothingIsLeft(runId)).toMatchObject({ status: 'succeeded', execution: 1 })
  })
})
