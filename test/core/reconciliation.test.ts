import { describe, expect, it } from 'vitest'
import { type Observed, repairsOf } from '../../core/reconciliation.ts'
import type { Attempt, Run } from '../../core/store/run-store.ts'
import { recipe } from '../support/recipes.ts'

const began = '2026-11-24T10:00:00.000Z'
const minutesLater = (minutes: number) => new Date(Date.parse(began) + minutes * 60_000)

const run = (status: Run['status'], more: Partial<Run> = {}): Run => ({
  runId: 'RUN',
  team: 'speech',
  recipeName: 'parrot',
  recipe: recipe(),
  status,
  execution: 0,
  from: 'prepare',
  createdAt: began,
  timeline: [{ status, at: began }],
  options: [{ instanceType: 'p4d.24xlarge', purchase: 'spot', priceUsdPerHour: 20 }],
  ...more,
})
const ended = run('cancelled', { endedAt: began })

const attempt = (jobStatus: Attempt['jobStatus'], more: Partial<Attempt> = {}): Attempt => ({
  runId: 'RUN',
  jobId: 'job',
  step: 'train',
  execution: 0,
  attempt: 0,
  option: 0,
  jobStatus,
  createdAt: began,
  executions: [],
  ...more,
})

const observed = (run: Run, more: Partial<Observed> = {}): Observed => ({
  run,
  attempts: [],
  execution: 'RUNNING',
  jobs: new Map(),
  waitMinutes: [15],
  now: minutesLater(10),
  ...more,
})
const repairs = (run: Run, more: Partial<Observed> = {}) =>
  repairsOf(observed(run, more)).map((repair) => repair.do)

describe('an open run', () => {
  it.each([run('queued'), run('training'), ended])(
    'is left alone while its events may still come: $status',
    (one) => {
      expect(repairs(one, { execution: undefined, now: minutesLater(1) })).toEqual([])
    },
  )

  it('that goes its way is left alone', () => {
    const jobs = new Map([['job', 'RUNNING' as const]])
    expect(repairs(run('training'), { attempts: [attempt('RUNNING')], jobs })).toEqual([])
  })

  it('that was stored and never started is started', () => {
    expect(repairs(run('queued'), { execution: undefined })).toEqual(['start'])
  })

  it.each([
    ['FAILED', 'EXECUTION_FAILED'],
    ['TIMED_OUT', 'EXECUTION_TIMED_OUT'],
    ['ABORTED', 'EXECUTION_ABORTED'],
    [undefined, 'EXECUTION_GONE'],
  ])('whose execution is %s is ended with %s', (execution, code) => {
    expect(repairsOf(observed(run('training'), { execution }))).toMatchObject([
      { do: 'end', failure: { code } },
    ])
  })

  it('that was queued, started and failed unheard is ended, not started again', () => {
    expect(repairs(run('queued'), { execution: 'FAILED' })).toEqual(['end'])
  })
})

describe('a job', () => {
  const jobs = new Map([['job', 'RUNNABLE' as const]])

  it('that waits longer than its option allows is ended, with a reason that names its class', () => {
    const waiting = { attempts: [attempt('RUNNABLE')], jobs, now: minutesLater(16) }
    expect(repairsOf(observed(run('waiting'), waiting))).toMatchObject([
      { do: 'terminate', jobId: 'job', reason: expect.stringContaining('ROSLIN:WAITED_TOO_LONG') },
    ])
  })

  it('may wait as long as its option allows, and for Prepare there is no other', () => {
    expect(repairs(run('waiting'), { attempts: [attempt('RUNNABLE')], jobs, now: minutesLater(14) })).toEqual(
      [],
    )
    const prepare = [attempt('RUNNABLE', { step: 'prepare' })]
    expect(repairs(run('preparing'), { attempts: prepare, jobs, now: minutesLater(600) })).toEqual([])
  })

  it('that runs is not late, however long ago it was submitted', () => {
    const running = new Map([['job', 'RUNNING' as const]])
    expect(
      repairs(run('training'), { attempts: [attempt('RUNNING')], jobs: running, now: minutesLater(6000) }),
    ).toEqual([])
  })

  it('of which Batch knows more than the table is written down', () => {
    const done = new Map([['job', 'SUCCEEDED' as const]])
    expect(repairs(run('training'), { attempts: [attempt('RUNNING')], jobs: done })).toEqual(['record'])
  })

  it('that Batch has forgotten has ended', () => {
    expect(repairs(ended, { attempts: [attempt('RUNNING')], execution: 'ABORTED' })).toEqual(['forget'])
  })
})

describe('a run that has ended', () => {
  it('keeps neither execution nor job', () => {
    const jobs = new Map([['job', 'RUNNING' as const]])
    expect(repairs(ended, { attempts: [attempt('RUNNING')], jobs })).toEqual(['stop-execution', 'terminate'])
  })

  it('with nothing left needs no repair', () => {
    const jobs = new Map([['job', 'FAILED' as const]])
    expect(repairs(ended, { attempts: [attempt('FAILED')], jobs, execution: 'ABORTED' })).toEqual([])
  })
})

describe('a budget', () => {
  const running = { attempts: [attempt('RUNNING', { executions: [{ startedAt: began }] })] }
  const jobs = new Map([['job', 'RUNNING' as const]])
  const reserved = run('training', { reservation: { month: '2026-11', usd: 10 } })

  it('of which four fifths are spent is noticed, once', () => {
    expect(repairs(reserved, { ...running, jobs, now: minutesLater(24) })).toEqual(['notice'])
    expect(repairs(reserved, { ...running, jobs, now: minutesLater(23) })).toEqual([])
    const noticed = { ...reserved, budgetNoticeAt: began }
    expect(repairs(noticed, { ...running, jobs, now: minutesLater(24) })).toEqual([])
  })
})
