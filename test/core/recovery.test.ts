import { describe, expect, it } from 'vitest'
import type { Recovery } from '../../core/failure.ts'
import { type Decision, decide, FIRST_ATTEMPT, type Progress } from '../../core/recovery.ts'

const p4dSpot = { instanceType: 'p4d.24xlarge', purchase: 'spot' } as const
const p4d = { instanceType: 'p4d.24xlarge', purchase: 'on-demand' } as const
const p3dn = { instanceType: 'p3dn.24xlarge', purchase: 'on-demand' } as const
const p4de = { instanceType: 'p4de.24xlarge', purchase: 'on-demand' } as const
const options = [p4dSpot, p4d, p3dn, p4de]

const failure = { class: 'host-lost', code: 'HOST_LOST', step: 'train', message: 'Lost.', nextStep: 'Wait.' }
const following = (recovery: Recovery, progress: Partial<Progress> = {}): Decision =>
  decide(failure, recovery, { ...FIRST_ATTEMPT, ...progress }, options)

describe('after a job that failed, the flow', () => {
  it('stops where another try would end the same way', () => {
    expect(following({ next: 'stop' })).toEqual({
      action: 'stop',
      progress: FIRST_ATTEMPT,
      because: 'Lost. Another try would end the same way.',
    })
  })

  const twice: Recovery = { next: 'same-option', tries: 2, orElse: 'next-option' }

  it('tries the same option again, and counts by class', () => {
    expect(following(twice, { tries: { storage: 2 } })).toEqual({
      action: 'retry',
      progress: { attempt: 1, option: 0, tries: { storage: 2, 'host-lost': 1 } },
      because: 'Lost. Trying p4d.24xlarge spot again.',
    })
  })

  it('goes to the next option when its tries are used up, with new ones', () => {
    expect(following(twice, { attempt: 2, tries: { 'host-lost': 2 } })).toEqual({
      action: 'retry',
      progress: { attempt: 3, option: 1, tries: {} },
      because: 'Lost. Going on with p4d.24xlarge on-demand.',
    })
  })

  it('or stops, where the class says so', () => {
    const decision = following({ ...twice, orElse: 'stop' }, { tries: { 'host-lost': 2 } })
    expect(decision).toMatchObject({ action: 'stop', because: 'Lost. It was tried 3 times.' })
  })

  it('goes through the options in order, and stops after the last', () => {
    const visited: number[] = []
    let decision = following({ next: 'next-option' })
    for (; decision.action === 'retry'; decision = following({ next: 'next-option' }, decision.progress)) {
      visited.push(decision.progress.option)
    }
    expect(visited).toEqual([1, 2, 3])
    expect(decision.because).toBe('Lost. There is no further capacity option.')
  })

  it('goes to more memory of one GPU after it ran out, past options that have no more', () => {
    expect(following({ next: 'larger-option' }).progress.option).toBe(3)
    expect(following({ next: 'larger-option' }, { option: 3 })).toMatchObject({
      action: 'stop',
      because: 'Lost. No further capacity option has more memory.',
    })
  })

  it('has nowhere to go in a step without a choice of machines', () => {
    expect(decide(failure, { next: 'next-option' }, FIRST_ATTEMPT, []).action).toBe('stop')
    expect(decide(failure, twice, FIRST_ATTEMPT, [])).toMatchObject({
      action: 'retry',
      because: 'Lost. Trying the same machine again.',
    })
  })
})
