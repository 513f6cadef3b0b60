import { describe, expect, it } from 'vitest'
import { makePlan } from '../../core/plan.ts'
import { remainingUsd, stepToBeginWith } from '../../core/resume.ts'
import type { Attempt } from '../../core/store/run-store.ts'
import { deployment, pinned, recipe } from '../support/recipes.ts'
import { thrownBy } from '../support/thrown.ts'

const ended = (step: 'prepare' | 'train' | 'evaluate', jobStatus: 'SUCCEEDED' | 'FAILED') => ({
  step,
  jobStatus,
})

describe('the step that a run goes on with', () => {
  it.each([
    ['prepare', []],
    ['prepare', [ended('prepare', 'FAILED')]],
    ['train', [ended('prepare', 'SUCCEEDED')]],
    ['train', [ended('prepare', 'SUCCEEDED'), ended('train', 'FAILED')]],
    ['evaluate', [ended('prepare', 'SUCCEEDED'), ended('train', 'FAILED'), ended('train', 'SUCCEEDED')]],
    [
      'register',
      [ended('prepare', 'SUCCEEDED'), ended('train', 'SUCCEEDED'), ended('evaluate', 'SUCCEEDED')],
    ],
  ])('is %s: the first that is not done', (step, attempts) => {
    expect(stepToBeginWith('run', attempts, undefined)).toBe(step)
  })

  it('is an earlier one where that is asked for', () => {
    expect(
      stepToBeginWith('run', [ended('prepare', 'SUCCEEDED'), ended('train', 'SUCCEEDED')], 'train'),
    ).toBe('train')
  })

  it('is never beyond one that is not done', () => {
    const error = thrownBy(() => stepToBeginWith('run', [ended('prepare', 'SUCCEEDED')], 'evaluate'))
    expect(error.code).toBe('STEP_NOT_REACHED')
    expect(error.message).toContain('its train is not done')
  })
})

describe('what a run that goes on may still spend', () => {
  const usdPerHour = 21.96
  /** Ten hours of a p4d.24xlarge are $219.60, and the evaluation has a tenth more. */
  const plan = (limits: object) =>
    makePlan({ runId: 'run', createdAt: at(0) }, recipe({ limits }), pinned, deployment())
  const trained = (hours: number, jobStatus: 'SUCCEEDED' | 'FAILED' = 'FAILED'): Attempt => ({
    ...{ runId: 'run', jobId: 'job', execution: 0, attempt: 1, option: 0, createdAt: at(0) },
    ...ended('train', jobStatus),
    executions: [{ startedAt: at(0), stoppedAt: at(hours) }],
  })
  const { capacity: options } = plan({ maxHours: 10 })
  const spending = (spentUsd: number, ...attempts: Attempt[]) => ({
    runId: 'run',
    spentUsd,
    options,
    attempts,
  })
  const refusal = (...of: Parameters<typeof remainingUsd>) => thrownBy(() => remainingUsd(...of))

  it('is its limit less what it has cost', () => {
    expect(remainingUsd(spending(0), 'prepare', plan({ maxHours: 10 }))).toBe(241.56)
    expect(remainingUsd(spending(41.56, trained(1)), 'train', plan({ maxHours: 10 }))).toBe(200)
  })

  it('is refused where nothing is left', () => {
    const done = spending(100, trained(1, 'SUCCEEDED'))
    const error = refusal(done, 'register', plan({ maxHours: 10, maxUsd: 100 }))
    expect(error.code).toBe('LIMIT_TOO_LOW')
    expect(error.nextStep).toContain('--max-usd')
  })

  it('is refused where less is left than ten minutes of the evaluation cost', () => {
    const limited = plan({ maxHours: 10, maxUsd: 100 })
    const done = trained(3, 'SUCCEEDED')
    expect(remainingUsd(spending(96, done), 'evaluate', limited)).toBe(4)
    const error = refusal(spending(97, done), 'evaluate', limited)
    expect(error.code).toBe('LIMIT_TOO_LOW')
    expect(error.message).toContain('an evaluation needs $3.66 of it')
  })

  it('is refused where training has no ten minutes left, however high the other limit was raised', () => {
    const raised = plan({ maxHours: 10, maxUsd: 5000 })
    const error = refusal(spending(9.84 * usdPerHour, trained(9.84)), 'train', raised)
    expect(error.code).toBe('LIMIT_TOO_LOW')
    expect(error.message).toContain('cost $216.09 of the $219.60 it may cost; $3.66 must be left')
    expect(error.nextStep).toContain('--max-hours')
    expect(remainingUsd(spending(0, trained(9.83)), 'train', raised)).toBe(raised.reservedUsd)
  })

  it('has half of a training budget that is less than twenty minutes', () => {
    const short = plan({ maxHours: 0.1 })
    expect(remainingUsd(spending(0, trained(0.049)), 'train', short)).toBe(short.reservedUsd)
    expect(refusal(spending(0, trained(0.051)), 'train', short).code).toBe('LIMIT_TOO_LOW')
  })
})

const at = (hours: number) => new Date(Date.UTC(2026, 6, 1) + hours * 3_600_000).toISOString()
