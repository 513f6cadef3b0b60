import { describe, expect, it } from 'vitest'
import { evaluationSchema, manifestSchema, metricsSchema } from '../../core/run-files.ts'

const metrics = {
  updatedAt: '2026-11-24T10:00:00.000+00:00',
  device: 'cpu',
  worldSize: 1,
  epoch: 0.5,
  epochs: 1,
  step: 1,
  totalSteps: 2,
  tokensPerSecond: null,
  etaSeconds: null,
  lossFirst: null,
  lossLast: null,
  heldOutLoss: [],
  series: { step: [], loss: [], learningRate: [], gradientNorm: [], tokensPerSecond: [] },
}

describe("a container's files", () => {
  it('may have fields of their own', () => {
    expect(metricsSchema.safeParse({ ...metrics, gpuPowerWatts: 300 }).success).toBe(true)
    expect(evaluationSchema.safeParse({ models: [], prompts: [], benchmark: {} }).success).toBe(true)
  })

  it('may say more of the speed and the cost, in numbers', () => {
    expect(metricsSchema.safeParse({ ...metrics, costUsd: 12.5, paddingFraction: 0 }).success).toBe(true)
    expect(metricsSchema.safeParse({ ...metrics, samplesPerSecond: null }).success).toBe(true)
    expect(metricsSchema.safeParse({ ...metrics, costUsd: '12.5' }).success).toBe(false)
  })

  it('cannot lack ours', () => {
    const { series: _, ...without } = metrics
    expect(metricsSchema.safeParse(without).success).toBe(false)
    expect(manifestSchema.safeParse({ kind: 'adapter', epoch: 1, files: [] }).success).toBe(false)
  })
})
