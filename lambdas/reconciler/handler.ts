import { z } from 'zod'
import type { OpenRun } from '../../core/open-run.ts'
import { runs } from '../clients.ts'
import { variable } from '../environment.ts'
import { logger } from '../logger.ts'
import { terminateOrphanJobs } from './orphan-jobs.ts'
import { repairRun } from './repair-run.ts'
import { lookAt, report } from './report.ts'

const scheduled = z.object({ time: z.iso.datetime() })

/**
 * Every few minutes: brings the table, the executions, the jobs and the budget together again where an event was lost or a
 * function died between two writes. Safe to run twice at once. A run that cannot be repaired does not keep the others from it.
 */
export async function handler(event: unknown): Promise<void> {
  const now = new Date(scheduled.parse(event).time)
  let failures = 0
  const attempt = (work: Promise<void>, runId?: string) =>
    work.catch((error) => {
      failures += 1
      logger.error('not repaired', { runId, error: error as Error })
    })
  const openRuns: OpenRun[] = []
  for (const runId of await runs.listOpen(variable('TEAM'))) {
    const stored = await runs.get(runId)
    if (!stored) continue
    openRuns.push(lookAt(stored.run, now))
    await attempt(repairRun(stored, now), runId)
  }
  await attempt(terminateOrphanJobs(now))
  await attempt(report(openRuns, now))
  if (failures > 0) throw new Error(`${failures} repairs failed; the log has them`)
}
