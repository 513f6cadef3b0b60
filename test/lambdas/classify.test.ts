import { beforeEach, describe, expect, it, vi } from 'vitest'
import { FIRST_ATTEMPT } from '../../core/recovery.ts'

const HOUR_MILLISECONDS = 3_600_000
const cause = JSON.stringify({
  JobId: 'a-job',
  Container: {},
  StatusReason: 'Host EC2 (instance i-0abc) terminated.',
})
const spot = { instanceType: 'p4d.24xlarge', purchase: 'spot', priceUsdPerHour: 30 }
const plan = { capacity: [spot], reservedUsd: 100 }
const trainedFor = (hours: number) => ({
  run: { runId: 'run' },
  attempts: [
    {
      step: 'train',
      option: 0,
      executions: [
        {
          startedAt: new Date(0).toISOString(),
          stoppedAt: new Date(hours * HOUR_MILLISECONDS).toISOString(),
        },
      ],
    },
  ],
})

const runs = { get: vi.fn(), retry: vi.fn() }
vi.mock('../../lambdas/clients.ts', () => ({ runs }))
vi.mock('../../lambdas/s3-json.ts', () => ({ readPlan: async () => plan }))
vi.mock('../../lambdas/steps/failed-step.ts', () => ({
  failedStep: async ({ step }: { step: string }) => ({ step, error: 'States.TaskFailed', cause, nodes: [] }),
}))
const { handler } = await import('../../lambdas/steps/classify.ts')

const afterLossOf = (step: 'train' | 'evaluate', hours: number) => {
  runs.get.mockResolvedValue(trainedFor(hours))
  return handler({ runId: 'run', step, error: {}, planUri: 's3://plan', progress: FIRST_ATTEMPT })
}

beforeEach(() => {
  vi.resetAllMocks()
})

describe('an evaluation whose machine was lost', () => {
  it('is done again for as long as what is left of the limit pays for', async () => {
    const { action, progress } = await afterLossOf('evaluate', 3)
    expect(action).toBe('retry')
    // $10 of $100, at $30 an hour.
    expect(progress.evaluationSeconds).toBe(1200)
    expect(runs.retry).toHaveBeenCalledOnce()
  })

  it('is not where that is too little for one', async () => {
    const { action, failure } = await afterLossOf('evaluate', 3.2)
    expect(action).toBe('stop')
    expect(failure).toMatchObject({ step: 'evaluate', code: 'COST_LIMIT_REACHED' })
    expect(runs.retry).not.toHaveBeenCalled()
  })
})

describe('training whose machine was lost', () => {
  it('goes on with whatever is left, for the trainer keeps to the limit by itself', async () => {
    const { action, progress } = await afterLossOf('train', 3.2)
    expect(action).toBe('retry')
    expect(progress).not.toHaveProperty('evaluationSeconds')
  })

  it('does not where nothing is', async () => {
    expect((await afterLossOf('train', 3.4)).failure.code).toBe('COST_LIMIT_REACHED')
  })
})
