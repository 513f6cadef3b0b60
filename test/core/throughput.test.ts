import { describe, expect, it } from 'vitest'
import type { Metrics } from '../../core/run-files.ts'
import { meanTokensPerSecond, trainedOn } from '../../core/throughput.ts'

function metrics(series: Partial<Metrics['series']>, tokensPerSecond: number | null = null): Metrics {
  return {
    updatedAt: '2026-11-24T10:00:00.000Z',
    device: 'cpu',
    worldSize: 1,
    epoch: 1,
    epochs: 1,
    step: 2,
    totalSteps: 2,
    tokensPerSecond,
    etaSeconds: 0,
    lossFirst: 1,
    lossLast: 1,
    heldOutLoss: [],
    series: { step: [], loss: [], learningRate: [], gradientNorm: [], tokensPerSecond: [], ...series },
  }
}

describe('the tokens a second of a whole training', () => {
  it('weigh each step by the time it took', () => {
    const series = { tokensPerSecond: [100, 400], stepSeconds: [3, 1] }
    expect(meanTokensPerSecond(metrics(series, 400))).toBe((100 * 3 + 400) / 4)
  })

  it('are the plain mean where a trainer writes no times', () => {
    expect(meanTokensPerSecond(metrics({ tokensPerSecond: [100, 400] }))).toBe(250)
  })

  it('are those of the last steps where there is no series, and none where nothing was measured', () => {
    expect(meanTokensPerSecond(metrics({}, 321))).toBe(321)
    expect(meanTokensPerSecond(metrics({}))).toBeUndefined()
    expect(meanTokensPerSecond(metrics({ tokensPerSecond: [0] }, 0))).toBeUndefined()
  })
})

describe('what a run trained on', () => {
  const capacity = ['p4d.24xlarge', 'p4d.24xlarge', 'p3dn.24xlarge'].map((instanceType) => ({ instanceType }))
  const attempt = (option: number, jobStatus: 'FAILED' | 'SUCCEEDED' | 'RUNNING', other: object = {}) => ({
    step: 'train',
    execution: 1,
    option,
    jobStatus,
    ...other,
  })
  const on = (instanceType: string) => ({ machine: { instanceType } })

  it.each([
    ['the type of its one attempt', [attempt(2, 'SUCCEEDED')], 'p3dn.24xlarge'],
    ['the same type, bought otherwise', [attempt(0, 'FAILED'), attempt(1, 'SUCCEEDED')], 'p4d.24xlarge'],
    [
      'not what it prepared and evaluated on',
      [
        attempt(0, 'SUCCEEDED', { step: 'prepare' }),
        attempt(2, 'SUCCEEDED'),
        attempt(0, 'SUCCEEDED', { step: 'evaluate' }),
      ],
      'p3dn.24xlarge',
    ],
    ['nothing, where it was two types', [attempt(0, 'FAILED'), attempt(2, 'SUCCEEDED')], undefined],
    ['what its container found itself on', [attempt(0, 'SUCCEEDED', on('p5.48xlarge'))], 'p5.48xlarge'],
    [
      'what an earlier execution trained on too, by its own word',
      [attempt(0, 'FAILED', { execution: 0, ...on('p3dn.24xlarge') }), attempt(2, 'SUCCEEDED')],
      'p3dn.24xlarge',
    ],
    [
      'nothing, where an earlier execution has left no word',
      [attempt(2, 'FAILED', { execution: 0 }), attempt(2, 'SUCCEEDED')],
      undefined,
    ],
    ['nothing, while its success is not known', [attempt(0, 'FAILED'), attempt(0, 'RUNNING')], undefined],
    ['nothing, where no attempt is known', [], undefined],
    ['nothing, where the option is none of the plan', [attempt(7, 'SUCCEEDED')], undefined],
  ])('is %s', (_, attempts, expected) => {
    expect(trainedOn(attempts, 1, capacity)).toBe(expected)
  })
})
