import { beforeAll, describe, expect, it } from 'vitest'
import { planSchema } from '../../core/plan.ts'
import type { RunDetail } from '../../core/run-view.ts'
import { Deployment } from '../support/deployment.ts'

const deployment = await Deployment.open()
const { client } = deployment

describe('a run', () => {
  let posted: RunDetail
  let run: RunDetail

  beforeAll(async () => {
    // The first run wakes the functions up: events that come late by a start would find a step of no length over.
    await deployment.ended((await deployment.start()).runId)
    posted = await deployment.start('prepare:sleep=1 train:sleep=1')
    run = await deployment.ended(posted.runId)
  })

  it('is there as soon as it is asked for', () => {
    expect(posted).toMatchObject({
      team: 'demo',
      recipeName: 'stub',
      status: expect.any(String),
      attempts: [],
    })
    expect(posted.runId).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
  })

  it('succeeds, and went through every state once, in order', () => {
    expect(run.failure).toBeUndefined()
    expect(run.timeline.map(({ status }) => status)).toEqual([
      'queued',
      'planning',
      'preparing',
      'waiting',
      'training',
      'evaluating',
      'registering',
      'succeeded',
    ])
    const times = run.timeline.map(({ at }) => Date.parse(at))
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })

  it('has one attempt of each step, ended with exit code 0', () => {
    expect(run.attempts.map(({ step, jobStatus }) => [step, jobStatus])).toEqual([
      ['prepare', 'SUCCEEDED'],
      ['train', 'SUCCEEDED'],
      ['evaluate', 'SUCCEEDED'],
    ])
    for (const { executions } of run.attempts) {
      expect(executions).toHaveLength(1)
      expect(executions[0]).toMatchObject({ exitCode: 0, logStreamName: expect.any(String) })
    }
  })

  it('has a plan in the bucket that is valid, pinned, and its own', async () => {
    const plan = planSchema.parse(await deployment.read(run.planUri ?? ''))
    expect(plan).toMatchObject({ runId: run.runId, team: 'demo', recipe: run.recipe })
    const [first] = plan.capacity
    expect(first?.jobQueueArn).not.toBe(plan.steps.prepare.jobQueueArn)
    const job = await deployment.job(run.attempts.find(({ step }) => step === 'train')?.jobId ?? '')
    expect(job?.jobQueue).toBe(first?.jobQueueArn)
    expect(job?.timeout?.attemptDurationSeconds).toBe(first?.trainTimeoutSeconds)
  })

  it('knows its machine and what it has cost', () => {
    // Kept with each job that has ended: another plan's options do not change what it cost.
    for (const { step, machine } of run.attempts)
      if (step !== 'prepare') expect(machine).toEqual(run.capacity)
    expect(run.capacity).toMatchObject({ instanceType: 'm7i.large', purchase: 'on-demand' })
    expect(run.costUsd).toBeGreaterThan(0)
    expect(run.costUsd).toBeLessThan(0.01)
  })

  it('gives its metrics and its answers', async () => {
    const metrics = await client.getMetrics(run.runId)
    expect(metrics).toMatchObject({ step: 8, totalSteps: 8, lossFirst: 2 })
    const samples = await client.getSamples(run.runId)
    expect(samples.models.map(({ name }) => name)).toEqual(['base', 'epoch 1', 'epoch 2'])
    expect(samples.prompts.map(({ answers }) => answers.length)).toEqual([3, 3])
  })

  it('gives what its containers printed, in order, and nothing twice', async () => {
    const page = await client.getLogs(run.runId, undefined)
    expect(page.lines.map(({ step, message }) => `${step}: ${message.replace(/process \d+ /, '')}`)).toEqual(
      ['prepare', 'train', 'evaluate'].flatMap((step) => [
        `${step}: step ${step} attempt 1`,
        `${step}: done`,
      ]),
    )
    expect((await client.getLogs(run.runId, page.cursor)).lines).toEqual([])
  })

  it('made a model version with its lineage; the next run makes the next', async () => {
    const first = run.model
    expect(first).toMatchObject({ name: 'stub', uri: expect.stringContaining(`/models/stub/${run.runId}/`) })
    const next = await deployment.ended((await deployment.start()).runId)
    expect(next.model?.version).toBe((first?.version ?? 0) + 1)
  })
})

describe('the list of runs', () => {
  const started: RunDetail[] = []

  beforeAll(async () => {
    for (const name of ['one', 'two', 'three']) started.push(await deployment.start('train:exit=1', { name }))
    await Promise.all(started.map(({ runId }) => deployment.ended(runId)))
  })

  it('has the newest first, page by page, each run once', async () => {
    const pages: string[][] = []
    let cursor: string | undefined
    do {
      const page = await client.listRuns(2, cursor)
      expect(page.runs.length).toBeLessThanOrEqual(2)
      pages.push(page.runs.map(({ runId }) => runId))
      cursor = page.cursor ?? undefined
    } while (cursor !== undefined)
    const all = pages.flat()
    expect(all.slice(0, 3)).toEqual(started.map(({ runId }) => runId).reverse())
    expect(all).toEqual([...new Set(all)].sort().reverse())
    expect(pages.length).toBeGreaterThan(1)
  })

  it('shows of each run what a person looks for, and no recipe', async () => {
    const { runs } = await client.listRuns(1, undefined)
    expect(runs[0]).toMatchObject({
      recipeName: 'three',
      status: 'failed',
      elapsedSeconds: expect.any(Number),
    })
    expect(runs[0]).not.toHaveProperty('recipe')
  })
})
