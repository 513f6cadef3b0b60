import { describe, expect, it } from 'vitest'
import { costUsd } from '../../core/cost.ts'

const options = [
  { instanceType: 'p4d.24xlarge', purchase: 'on-demand', priceUsdPerHour: 20 },
  { instanceType: 'p3dn.24xlarge', purchase: 'on-demand', priceUsdPerHour: 31 },
]
const at = (time: string) => `2026-11-24T${time}:00.000Z`
const now = new Date(at('12:00'))

describe('the cost of a run', () => {
  it('is nothing before a machine was chosen or a container ran', () => {
    expect(costUsd([], options, now)).toBe(0)
    expect(costUsd([{ step: 'train', option: 0, executions: [{ startedAt: at('10:00') }] }], [], now)).toBe(0)
    expect(costUsd([{ step: 'train', option: 0, executions: [] }], options, now)).toBe(0)
  })

  it('is the hours of every execution of Train and Evaluate, lost ones too', () => {
    const attempts = [
      {
        step: 'train',
        option: 0,
        executions: [
          { startedAt: at('08:00'), stoppedAt: at('09:00'), exitCode: 20 },
          { startedAt: at('09:30'), stoppedAt: at('11:30') },
        ],
      },
      { step: 'evaluate', option: 0, executions: [{ startedAt: at('11:30'), stoppedAt: at('11:45') }] },
    ]
    expect(costUsd(attempts, options, now)).toBeCloseTo(3.25 * 20, 9)
  })

  it('is that of every node, each as long as its container ran', () => {
    const executions = [
      { node: 0, startedAt: at('08:00'), stoppedAt: at('09:00') },
      { node: 1, startedAt: at('08:15'), stoppedAt: at('09:00') },
    ]
    expect(costUsd([{ step: 'train', option: 0, executions }], options, now)).toBeCloseTo(1.75 * 20, 9)
  })

  it('has each attempt at the price of the option it ran on', () => {
    const hour = [{ startedAt: at('08:00'), stoppedAt: at('09:00') }]
    const attempts = [0, 1].map((option) => ({ step: 'train', option, executions: hour }))
    expect(costUsd(attempts, options, now)).toBeCloseTo(20 + 31, 9)
  })

  it('keeps the price of the machine that an attempt had, whatever options the run has now', () => {
    const machine = { instanceType: 'p5.48xlarge', purchase: 'spot', priceUsdPerHour: 9 }
    const executions = [{ startedAt: at('08:00'), stoppedAt: at('09:00') }]
    expect(costUsd([{ step: 'train', option: 0, executions, machine }], options, now)).toBeCloseTo(9, 9)
  })

  it('goes on until now while a container runs', () => {
    expect(
      costUsd([{ step: 'train', option: 0, executions: [{ startedAt: at('11:30') }] }], options, now),
    ).toBe(10)
  })

  it('leaves out Prepare, which runs on a small machine', () => {
    const executions = [{ startedAt: at('08:00'), stoppedAt: at('09:00') }]
    expect(costUsd([{ step: 'prepare', option: 0, executions }], options, now)).toBe(0)
  })
})
