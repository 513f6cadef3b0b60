import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  evaluationSchema,
  manifestSchema,
  metricsSchema,
  profileSchema,
  statisticsSchema,
} from '../../core/run-files.ts'
import { root } from '../support/checked-in.ts'

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

const hostProfile = {
  node: 0,
  startedAt: '2026-11-24T10:00:00.000+00:00',
  updatedAt: '2026-11-24T10:00:10.000+00:00',
  note: 'no NVML on this machine (NVML Shared Library Not Found): processors and memory only',
  instanceType: null,
  cpus: 2,
  memoryMiB: 16000,
  driverVersion: null,
  cudaDriverVersion: null,
  gpus: [],
  topology: [],
  errors: [{ gpu: null, call: null, message: 'OSError: no room', count: 1 }],
  summary: {
    hours: 0.003,
    host: { cpuPercent: { mean: 50, max: 100 }, memoryMiB: { mean: 1000, max: 2000 } },
    gpus: [],
  },
  newest: { host: { cpuPercent: null, memoryMiB: null }, gpus: [] },
  series: {
    seconds: [1],
    host: { cpuPercent: { low: [50], mean: [50], high: [50] }, memoryMiB: null },
    gpus: [],
  },
  earlierAttempts: [],
}

// Of the shape that test_prepare.py holds the trainer to.
const statistics = JSON.parse(readFileSync(join(root, 'test/fixtures/statistics.json'), 'utf8'))

describe("a container's files", () => {
  it('are as the trainer writes them', () => {
    expect(statisticsSchema.parse(statistics)).toEqual(statistics)
  })

  it('may have fields of their own', () => {
    expect(metricsSchema.safeParse({ ...metrics, gpuPowerWatts: 300 }).success).toBe(true)
    expect(evaluationSchema.safeParse({ models: [], prompts: [], benchmark: {} }).success).toBe(true)
    expect(profileSchema.safeParse({ ...hostProfile, fans: 4 }).error).toBeUndefined()
  })

  it('may say more of the speed and the cost, in numbers', () => {
    expect(metricsSchema.safeParse({ ...metrics, costUsd: 12.5, paddingFraction: 0 }).success).toBe(true)
    expect(metricsSchema.safeParse({ ...metrics, samplesPerSecond: null }).success).toBe(true)
    expect(metricsSchema.safeParse({ ...metrics, costUsd: '12.5' }).success).toBe(false)
  })

  it('cannot lack ours', () => {
    const { padding: ___, ...withoutPadding } = statistics
    expect(statisticsSchema.safeParse(withoutPadding).success).toBe(false)
    const { series: _, ...without } = metrics
    expect(metricsSchema.safeParse(without).success).toBe(false)
    const { host: __, ...withoutHost } = hostProfile.summary
    expect(profileSchema.safeParse({ ...hostProfile, summary: withoutHost }).success).toBe(false)
    expect(manifestSchema.safeParse({ kind: 'adapter', epoch: 1, files: [] }).success).toBe(false)
  })
})
