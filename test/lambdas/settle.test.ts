import { beforeEach, describe, expect, it, vi } from 'vitest'

const HOUR_MILLISECONDS = 3_600_000
const stopsAfter = (hours: number, spentUsd?: number) => ({
  run: {
    runId: 'run',
    status: 'failed',
    options: [{ priceUsdPerHour: 10 }],
    ...(spentUsd === undefined ? { reservation: { month: '2026-11', usd: 100 } } : { spentUsd }),
  },
  attempts: [
    {
      step: 'train',
      option: 0,
      jobStatus: 'FAILED',
      executions: [
        {
          startedAt: new Date(0).toISOString(),
          stoppedAt: new Date(hours * HOUR_MILLISECONDS).toISOString(),
        },
      ],
    },
  ],
})

const runs = { get: vi.fn() }
const ledger = { settle: vi.fn() }
vi.mock('../../lambdas/clients.ts', () => ({ runs, ledger }))
const { settleIfDone } = await import('../../lambdas/settle.ts')

beforeEach(() => {
  vi.resetAllMocks()
})

describe('a run that several settle at once', () => {
  it('is accounted with what the last of them has heard', async () => {
    runs.get.mockResolvedValueOnce(stopsAfter(4)).mockResolvedValueOnce(stopsAfter(5, 40))
    ledger.settle.mockResolvedValueOnce(false).mockResolvedValueOnce(true)
    expect(await settleIfDone('run')).toBe(true)
    expect(ledger.settle.mock.calls.map(([, costUsd]) => costUsd)).toEqual([40, 50])
  })

  it('is left alone where another has accounted as much', async () => {
    runs.get.mockResolvedValueOnce(stopsAfter(4)).mockResolvedValueOnce(stopsAfter(4, 40))
    ledger.settle.mockResolvedValueOnce(false)
    expect(await settleIfDone('run')).toBe(false)
    expect(ledger.settle).toHaveBeenCalledOnce()
  })

  it('is an error, so that the event comes again, where it never rests', async () => {
    runs.get.mockResolvedValue(stopsAfter(4))
    ledger.settle.mockResolvedValue(false)
    await expect(settleIfDone('run')).rejects.toThrow('run run changed 10 times')
  })
})
