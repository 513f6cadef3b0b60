import { describe, expect, it } from 'vitest'
import type { Metrics } from '../../core/run-files.ts'
import { meanTokensPerSecond } from '../../core/throughput.ts'

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
