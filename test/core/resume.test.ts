import { describe, expect, it } from 'vitest'
import { remainingUsd, stepToBeginWith } from '../../core/resume.ts'
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
  it('is its limit less what it has cost', () => {
    expect(remainingUsd({ runId: 'run', spentUsd: 30 }, 100)).toBe(70)
    expect(remainingUsd({ runId: 'run' }, 100)).toBe(100)
  })

  it('is refused where nothing is left', () => {
    const error = thrownBy(() => remainingUsd({ runId: 'run', spentUsd: 100 }, 100))
    expect(error.code).toBe('LIMIT_TOO_LOW')
    expect(error.nextStep).toContain('--max-usd')
  })

  it('is refused where less is left than the step needs', () => {
    expect(remainingUsd({ runId: 'run', spentUsd: 95 }, 100, 5)).toBe(5)
    const error = thrownBy(() => remainingUsd({ runId: 'run', spentUsd: 99.5 }, 100, 5))
    expect(error.code).toBe('LIMIT_TOO_LOW')
    expect(error.message).toContain('an evaluation needs $5.00 of it')
  })
})
