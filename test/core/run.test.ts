import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  executionName,
  hasEnded,
  JOB_STATUSES,
  type JobStatus,
  parseExecutionName,
  RUN_STATUSES,
  runPosition,
  runStatusOfJob,
} from '../../core/run.ts'

describe('the position of a run', () => {
  it('grows with each status, save that waiting and training share a place', () => {
    const positions = RUN_STATUSES.filter((status) => !hasEnded(status)).map((status) => runPosition(status))
    expect(positions).toEqual(positions.toSorted((a, b) => a - b))
    expect(runPosition('waiting')).toBe(runPosition('training'))
  })

  it('of every end is the same, so that no end overwrites another', () => {
    const ends = RUN_STATUSES.filter(hasEnded)
    expect(ends).toEqual(['succeeded', 'failed', 'cancelled', 'budget-stopped'])
    expect(new Set(ends.map((status) => runPosition(status))).size).toBe(1)
  })

  it('within a step grows with the attempt first, then with the state of the job', () => {
    fc.assert(
      fc.property(
        fc.nat(50),
        fc.nat(50),
        fc.constantFrom(...JOB_STATUSES),
        fc.constantFrom(...JOB_STATUSES),
        (attempt, later, one, other) => {
          const before = runPosition('training', { attempt, jobStatus: one })
          const after = runPosition('waiting', { attempt: attempt + 1 + later, jobStatus: other })
          expect(after).toBeGreaterThan(before)
        },
      ),
    )
    const within = JOB_STATUSES.map((status) => runPosition('training', { attempt: 2, jobStatus: status }))
    expect(within).toEqual([...new Set(within)].sort((a, b) => a - b))
  })

  it('never leaves its step, however many attempts there are', () => {
    fc.assert(
      fc.property(fc.nat(10_000_000), fc.constantFrom(...JOB_STATUSES), (attempt, jobStatus) => {
        expect(runPosition('preparing', { attempt, jobStatus })).toBeLessThan(runPosition('training'))
        expect(runPosition('training', { attempt, jobStatus })).toBeLessThan(runPosition('evaluating'))
        expect(runPosition('evaluating', { attempt, jobStatus })).toBeLessThan(runPosition('registering'))
      }),
    )
  })
})

describe('an execution of a run', () => {
  it('begins beyond all that can happen in the one before', () => {
    fc.assert(
      fc.property(
        fc.nat(1000),
        fc.constantFrom(...RUN_STATUSES),
        fc.nat(1_000_000),
        (execution, status, attempt) => {
          const last = runPosition(status, { execution, attempt, jobStatus: 'FAILED' })
          expect(runPosition('queued', { execution: execution + 1 })).toBeGreaterThan(last)
        },
      ),
    )
  })

  it('has a name that tells whose it is', () => {
    expect(executionName('01JD', 0)).toBe('01JD')
    expect(parseExecutionName('01JD')).toEqual({ runId: '01JD', execution: 0 })
    expect(parseExecutionName(executionName('01JD', 3))).toEqual({ runId: '01JD', execution: 3 })
  })
})

describe('what a job makes of its run', () => {
  it('is waiting until the training job runs', () => {
    const statuses = JOB_STATUSES.map((status: JobStatus) => runStatusOfJob('train', status))
    expect(statuses).toEqual(['waiting', 'waiting', 'waiting', 'waiting', 'training', 'training', 'waiting'])
  })

  it.each(JOB_STATUSES)('is preparing and evaluating for the other steps, at %s', (status) => {
    expect(runStatusOfJob('prepare', status)).toBe('preparing')
    expect(runStatusOfJob('evaluate', status)).toBe('evaluating')
  })
})
