import { describe, expect, it } from 'vitest'
import { addUp, metricsOfAttempt, metricsOfRun } from '../../core/change-metrics.ts'
import { METRICS } from '../../core/metrics.ts'
import { gaugesOf, openRun } from '../../core/open-run.ts'
import type { RunStatus } from '../../core/run.ts'
import type { Attempt, Run } from '../../core/store/run-store.ts'
import { recipe } from '../support/recipes.ts'

const NOW = new Date('2026-11-24T12:00:00.000Z')
const SLACK = 60
const minutesAgo = (minutes: number) => new Date(NOW.getTime() - minutes * 60_000).toISOString()
const usage = { month: '2026-11', committedUsd: 120, spentUsd: 20 }

function run(status: RunStatus, minutes: number): Run {
  return {
    runId: `RUN${status}${minutes}`,
    team: 'speech',
    recipeName: 'parrot',
    recipe: recipe({ limits: { maxHours: 10 } }),
    status,
    execution: 0,
    from: 'prepare',
    createdAt: minutesAgo(minutes + 5),
    timeline: [
      { status: 'queued', at: minutesAgo(minutes + 5) },
      { status, at: minutesAgo(minutes) },
    ],
  }
}
const look = (status: RunStatus, minutes: number) => openRun(run(status, minutes), [15, 120], SLACK, NOW)

describe('an open run is stuck', () => {
  it.each([
    ['queued', 0, 'it is started at once'],
    ['planning', 0, 'a function does it'],
    ['preparing', 7 * 60, 'an hour for a machine, six for the work'],
    ['waiting', 120, 'as long as its most patient option'],
    ['training', 10 * 60, 'limits.maxHours'],
    ['evaluating', 14 * 60, 'two hours for a machine, twelve for the work'],
    ['registering', 0, 'a function does it'],
    ['succeeded', 0, 'its jobs end and its money is accounted at once'],
  ] as const)('when it is %s for longer than %d minutes and the slack: %s', (status, minutes, _because) => {
    expect(look(status, minutes + SLACK).isStuck).toBe(false)
    expect(look(status, minutes + SLACK + 1).isStuck).toBe(true)
  })
})

describe("a team's gauges", () => {
  it('count open runs by state, and tell the longest wait and the money', () => {
    const open = [
      look('planning', 1),
      look('preparing', 5),
      look('waiting', 20),
      look('waiting', 300),
      look('training', 60),
      look('evaluating', 1),
      look('registering', 1),
    ]
    expect(gaugesOf(open, usage)).toEqual({
      PreparingRuns: 2,
      WaitingRuns: 2,
      TrainingRuns: 1,
      FinishingRuns: 2,
      StuckRuns: 1,
      LongestWaitMinutes: 300,
      SpentUsd: 20,
      CommittedUsd: 120,
    })
  })

  it('are zeroes while money of the month is taken, and nothing at all at rest: a metric without values is free', () => {
    expect(gaugesOf([], usage)).toMatchObject({ StuckRuns: 0, TrainingRuns: 0, CommittedUsd: 120 })
    expect(gaugesOf([], { month: '2026-12', committedUsd: 0, spentUsd: 0 })).toEqual({})
  })
})

describe('what one write counts for', () => {
  const failed = (failureClass: string): Run => ({
    ...run('failed', 0),
    endedAt: NOW.toISOString(),
    failure: { class: failureClass, code: 'X', step: 'plan', message: 'No.', nextStep: 'Look.' },
  })

  it('is a failure of Roslin’s own when a run ends by one, once', () => {
    expect(metricsOfRun(run('planning', 1), failed('internal'))).toEqual({ InternalFailures: 1 })
    expect(metricsOfRun(failed('internal'), { ...failed('internal'), spentUsd: 3 })).toEqual({})
    expect(metricsOfRun(run('planning', 1), failed('user-error'))).toEqual({})
  })

  const attempt = (executions: Attempt['executions'], instanceType = 'p4d.24xlarge'): Attempt => ({
    runId: 'RUN',
    jobId: 'job',
    step: 'train',
    execution: 0,
    attempt: 0,
    option: 0,
    jobStatus: 'SUCCEEDED',
    createdAt: minutesAgo(400),
    executions,
    machine: { instanceType, purchase: 'spot', priceUsdPerHour: 10 },
  })
  const first = { startedAt: minutesAgo(300), stoppedAt: minutesAgo(180) }

  it('is the GPU hours of a job that has ended, less what was counted of it before', () => {
    const { machine: _, ...running } = attempt([{ startedAt: minutesAgo(300) }])
    expect(metricsOfAttempt(running, attempt([first]))).toEqual({ GpuHours: 16 })
    const second = { startedAt: minutesAgo(90), stoppedAt: minutesAgo(60) }
    expect(metricsOfAttempt(attempt([first]), attempt([first, second]))).toEqual({ GpuHours: 4 })
  })

  it('is nothing for a write that says the same again, a job that runs, or a machine without GPUs', () => {
    expect(metricsOfAttempt(attempt([first]), attempt([first]))).toEqual({})
    expect(metricsOfAttempt(undefined, attempt([{ startedAt: minutesAgo(300) }]))).toEqual({})
    expect(metricsOfAttempt(undefined, attempt([first], 'm7i.2xlarge'))).toEqual({})
    expect(metricsOfAttempt(undefined, attempt([first], 'x9.huge'))).toEqual({})
  })

  it('adds up over a batch', () => {
    expect(addUp([{ GpuHours: 1 }, {}, { GpuHours: 2, InternalFailures: 1 }])).toEqual({
      GpuHours: 3,
      InternalFailures: 1,
    })
  })
})

describe('the metrics', () => {
  it('are no more than an account has free', () => {
    expect(Object.keys(METRICS).length).toBeLessThanOrEqual(10)
  })
})
