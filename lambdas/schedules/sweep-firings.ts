import { ulid } from 'ulid'
import { isDue } from '../../core/firing.ts'
import type { RunStatus } from '../../core/run.ts'
import type { OpenFiring } from '../../core/store/firing-store.ts'
import { firings, runs } from '../clients.ts'
import { startFiring } from '../firings.ts'
import { logger } from '../logger.ts'
import { decideAndStart } from './fire-schedule.ts'

/** Goes on with the firings that waited for what has come by now, and with those that somebody began and did not end. */
export async function sweepFirings(now: Date): Promise<void> {
  const failures: unknown[] = []
  for (const firing of await firings.listOpen()) {
    try {
      await sweep(firing, now)
    } catch (error) {
      logger.error('firing not started', { origin: firing.origin, key: firing.key, error: error as Error })
      failures.push(error)
    }
  }
  if (failures.length > 0)
    throw new Error(`${failures.length} firings could not be gone on with; the log has them`)
}

async function sweep(firing: OpenFiring, now: Date): Promise<void> {
  const status = await statusOf(firing.after)
  if (!isDue(firing, now, () => status)) return
  const begun = await firings.claim(firing, ulid(), now)
  if (!begun) return
  // A schedule's may have stopped before it was decided whether it may start, or waited for a place meanwhile.
  await (begun.overlap === undefined ? startFiring(begun) : decideAndStart(begun))
}

async function statusOf(runId: string | undefined): Promise<RunStatus | undefined> {
  return runId === undefined ? undefined : (await runs.get(runId))?.run.status
}
