import { costUsd } from '../core/cost.ts'
import { hasEnded, jobHasEnded } from '../core/run.ts'
import { ledger, runs } from './clients.ts'
import { logger } from './logger.ts'

/**
 * Accounts the run's cost and gives back the rest of its budget, once it has ended and its jobs too. Called wherever one of
 * these may have been the last: all but one call change nothing.
 */
export async function settleIfDone(runId: string): Promise<boolean> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const stored = await runs.get(runId)
    if (!stored || !hasEnded(stored.run.status)) return false
    const { run, attempts } = stored
    if (!attempts.every(({ jobStatus }) => jobHasEnded(jobStatus))) return false
    const cost = costUsd(attempts, run.options ?? [], new Date())
    if (!run.reservation && Math.abs(cost - (run.spentUsd ?? 0)) < CENT_HUNDREDTH) return false
    if (await ledger.settle(run, cost)) {
      logger.info('settled', { runId, costUsd: cost, reserved: run.reservation })
      return true
    }
    // Another has settled it meanwhile, who may not have read what this call was made for.
  }
  throw new Error(`run ${runId} changed ${MOST_TRIES} times while it was accounted`)
}

/** Several nodes' ends are told at once. */
const MOST_TRIES = 10

/** What is stored is rounded up to this. */
const CENT_HUNDREDTH = 1e-4
