import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { JOB_STATUSES, type JobStatus } from '../../core/run.ts'
import type { RunDetail } from '../../core/run-view.ts'
import { Ledger } from '../../core/store/ledger.ts'
import { ModelStore } from '../../core/store/model-store.ts'
import { type Attempt, RunStore } from '../../core/store/run-store.ts'
import { openTable } from '../../core/store/table.ts'
import { Deployment } from '../support/deployment.ts'
import { recipe } from '../support/recipes.ts'

const deployment = await Deployment.open()
const { client } = deployment
const table = openTable(deployment.dynamo, deployment.tableName)
const runs = new RunStore(table)
const models = new ModelStore(table)
const ledger = new Ledger(table)
const PRICE = { usd: 1, monthlyLimitUsd: undefined }

const stored = async (runId: string) => {
  const found = await runs.get(runId)
  if (!found) throw new Error(`no run ${runId}`)
  return found
}

/** "Batch Job State Change", as EventBridge delivers it. */
const jobEvent = (runId: string, step: string, status: JobStatus, jobId = `${step}-job`) => ({
  time: new Date().toISOString(),
  detail: {
    jobId,
    status,
    createdAt: Date.now(),
    ...(status === 'RUNNING' && { startedAt: Date.now() }),
    parameters: { runId, step, execution: '0', attempt: '0', option: '0' },
    attempts: [],
  },
})

describe('a step delivered twice', () => {
  let run: RunDetail
  beforeAll(async () => {
    run = await deployment.ended((await deployment.start()).runId)
    expect(run.status).toBe('succeeded')
  })

  it('Plan: the plan is the same, and the run stays where it is', async () => {
    const before = await stored(run.runId)
    const { error } = await deployment.invoke('FlowPlan', { runId: run.runId, execution: 0 })
    expect(error).toBeUndefined()
    expect(await stored(run.runId)).toEqual(before)
    expect(await deployment.read(run.planUri ?? '')).toMatchObject({ createdAt: run.createdAt })
  })

  it('Register: the run keeps its one model version', async () => {
    const before = await stored(run.runId)
    const event = { runId: run.runId, execution: 0, planUri: run.planUri }
    const twice = [
      await deployment.invoke('FlowRegister', event),
      await deployment.invoke('FlowRegister', event),
    ]
    for (const { error, payload } of twice) {
      expect(error).toBeUndefined()
      expect(payload).toEqual(run.model)
    }
    expect(await stored(run.runId)).toEqual(before)
  })

  it('Fail: a run that has succeeded stays so', async () => {
    const before = await stored(run.runId)
    const event = {
      runId: run.runId,
      execution: 0,
      step: 'train',
      error: { Error: 'States.Timeout', Cause: '' },
      failure: null,
    }
    const { error } = await deployment.invoke('FlowFail', event)
    expect(error).toBeUndefined()
    expect(await stored(run.runId)).toEqual(before)
  })

  it("a job's event, an execution's event: nothing changes after the end", async () => {
    const before = await stored(run.runId)
    const train = before.attempts.find(({ step }) => step === 'train')
    for (const status of JOB_STATUSES) {
      const { error } = await deployment.invoke(
        'EventsBatchJob',
        jobEvent(run.runId, 'train', status, train?.jobId),
      )
      expect(error).toBeUndefined()
    }
    const detail = { name: run.runId, status: 'ABORTED', error: null, cause: null }
    await deployment.invoke('EventsExecution', { time: new Date().toISOString(), detail })
    expect(await stored(run.runId)).toEqual(before)
  })
})

describe('a step of a run that is not there', () => {
  it('fails with the code of its error for a name, so that the flow can tell it', async () => {
    const { error, payload } = await deployment.invoke('FlowPlan', { runId: 'NONE', execution: 0 })
    expect(error).toBeTruthy()
    expect(payload).toMatchObject({ errorType: 'RUN_NOT_FOUND' })
  })

  it('leaves no half of a run behind in the table', async () => {
    await deployment.invoke('EventsExecution', {
      time: new Date().toISOString(),
      detail: { name: 'NONE', status: 'FAILED' },
    })
    expect(await runs.get('NONE')).toBeUndefined()
  })
})

describe('a run that trained but left no model', () => {
  it('fails in Register, and says what the trainer owes', async () => {
    const { runId } = await deployment.start('train:nothing')
    const { status, failure } = await deployment.ended(runId)
    expect(status).toBe('failed')
    expect(failure).toMatchObject({ step: 'register', code: 'MODEL_NOT_FOUND' })
    expect(failure?.message).toContain('manifest.json')
  })
})

describe("the store, given a job's events in any order, some twice", () => {
  let made = 0
  const newRun = async () => {
    const runId = `EVENTS${String(made++).padStart(8, '0')}`
    await ledger.open(
      { runId, team: 'events', recipe: recipe(), createdAt: '2026-11-24T10:00:00.000Z' },
      PRICE,
    )
    return runId
  }

  const startedAt = '2026-11-24T10:00:01.000Z'
  const stoppedAt = '2026-11-24T10:00:02.000Z'
  const once = { startedAt, stoppedAt, exitCode: 20 }
  /** A training job that ran, was interrupted, and ran again to its end. */
  const story = (runId: string): Attempt[] => {
    const attempt = (jobStatus: JobStatus, executions: Attempt['executions']): Attempt => ({
      runId,
      jobId: 'job',
      execution: 0,
      attempt: 0,
      option: 0,
      step: 'train',
      jobStatus,
      createdAt: startedAt,
      executions,
    })
    return [
      attempt('SUBMITTED', []),
      attempt('RUNNABLE', []),
      attempt('STARTING', []),
      attempt('RUNNING', [{ startedAt }]),
      attempt('RUNNABLE', [once]),
      attempt('STARTING', [once]),
      attempt('RUNNING', [once, { startedAt }]),
      attempt('SUCCEEDED', [once, { ...once, exitCode: 0 }]),
    ]
  }

  it('ends with the last state, whatever came when', async () => {
    const length = story('').length
    const order = fc.shuffledSubarray(
      Array.from({ length: 2 * length }, (_, index) => index % length),
      { minLength: 2 * length },
    )
    await fc.assert(
      fc.asyncProperty(order, async (indices) => {
        const runId = await newRun()
        const events = story(runId)
        for (const index of indices) {
          const event = events[index]
          if (event) await runs.recordJob(event, stoppedAt)
        }
        const { run, attempts } = await stored(runId)
        expect(attempts).toHaveLength(1)
        expect(attempts[0]).toMatchObject({ jobStatus: 'SUCCEEDED', executions: [once, { exitCode: 0 }] })
        // The job's end is the next step's to tell: the run is training until then.
        expect(run.status).toBe('training')
        expect(run.timeline.at(-1)?.status).toBe('training')
      }),
      { numRuns: 25 },
    )
  })

  it('never takes a run out of its end, and lets one end win', async () => {
    const end = fc.constantFrom('succeeded' as const, 'failed' as const, 'cancelled' as const)
    await fc.assert(
      fc.asyncProperty(fc.array(end, { minLength: 1, maxLength: 4 }), async (ends) => {
        const runId = await newRun()
        const applied = await Promise.all(
          ends.map((status) => runs.advance(runId, { status, at: stoppedAt, moment: {} })),
        )
        expect(applied.filter(Boolean)).toHaveLength(1)
        const winner = ends[applied.indexOf(true)]
        for (const event of story(runId)) await runs.recordJob(event, stoppedAt)
        const { run } = await stored(runId)
        expect(run).toMatchObject({ status: winner, endedAt: stoppedAt })
        expect(run.timeline).toHaveLength(2)
      }),
      { numRuns: 15 },
    )
  })

  it('makes a run once', async () => {
    const runId = await newRun()
    const again = { runId, team: 'other', recipe: recipe(), createdAt: '2026-11-25T10:00:00.000Z' }
    expect(await ledger.open(again, PRICE)).toBe(false)
    expect((await stored(runId)).run.team).toBe('events')
  })

  it('numbers model versions one after the other, also when many runs end at once', async () => {
    const version = (runId: string) =>
      models.register({
        name: 'crowd',
        runId,
        uri: `s3://bucket/models/crowd/${runId}/`,
        createdAt: stoppedAt,
        licence: { commercialUse: true, shareAlike: false, because: [] },
        lineage: {
          planUri: 's3://bucket/plan.json',
          baseModel: { source: 's3://bucket/model/' },
          dataset: { uri: 's3://bucket/rows.json', sha256: 'a'.repeat(64) },
          code: { version: '0', trainerImage: 'trainer:1' },
        },
      })
    const ids = Array.from({ length: 12 }, (_, index) => `CROWD${index}`)
    const registered = await Promise.all(ids.map(version))
    expect(registered.map((model) => model.version).sort((a, b) => a - b)).toEqual(
      ids.map((_, index) => index + 1),
    )
    expect(await version('CROWD3')).toEqual(registered[3])
  })
})

describe('the list', () => {
  it("shows a team's own runs alone", async () => {
    const { runs: listed } = await client.listRuns(100, undefined)
    expect(listed.length).toBeGreaterThan(0)
    expect(new Set(listed.map(({ team }) => team))).toEqual(new Set(['demo']))
  })
})
