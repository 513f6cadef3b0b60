import { describe, expect, it } from 'vitest'
import { runDetail, runListItem } from '../../core/run-view.ts'
import type { Run } from '../../core/store/run-store.ts'
import { recipe } from '../support/recipes.ts'

const stored: Run = {
  runId: '01JD0000000000000000000000',
  team: 'example',
  recipeName: 'parrot',
  recipe: recipe(),
  status: 'training',
  execution: 0,
  from: 'prepare',
  createdAt: '2026-11-24T10:00:00.000Z',
  timeline: [{ status: 'queued', at: '2026-11-24T10:00:00.000Z' }],
  options: [{ instanceType: 'p4d.24xlarge', purchase: 'spot', priceUsdPerHour: 20 }],
}
const attempts = [
  {
    runId: stored.runId,
    jobId: 'job',
    execution: 0,
    attempt: 0,
    option: 0,
    step: 'train' as const,
    jobStatus: 'RUNNING' as const,
    createdAt: '2026-11-24T10:00:00.000Z',
    executions: [{ startedAt: '2026-11-24T10:30:00.000Z' }],
  },
]
const now = new Date('2026-11-24T11:00:00.000Z')
const ended = { ...stored, status: 'failed' as const, endedAt: '2026-11-24T10:45:00.000Z' }

describe('a run as the API shows it', () => {
  it('has the time and the money it took until now', () => {
    expect(runDetail(stored, attempts, now)).toMatchObject({ elapsedSeconds: 3600, costUsd: 10 })
  })

  it('has a clock that stands still once it has ended', () => {
    expect(runDetail(ended, attempts, now)).toMatchObject({ elapsedSeconds: 2700, costUsd: 5 })
  })

  it('took no negative time, whatever the clocks say', () => {
    expect(runListItem(stored, new Date('2026-11-24T09:59:59.000Z')).elapsedSeconds).toBe(0)
  })

  it('is listed without its recipe', () => {
    expect(runListItem(stored, now)).not.toHaveProperty('recipe')
  })
})
