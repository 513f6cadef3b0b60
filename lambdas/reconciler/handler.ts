import { z } from 'zod'
import { runs } from '../clients.ts'
import { variable } from '../environment.ts'
import { logger } from '../logger.ts'
import { terminateOrphanJobs } from './orphan-jobs.ts'
import { repairRun } from './repair-run.ts'

const scheduled = z.object({ time: z.iso.datetime() })

/**
 * Every few minutes: brings the table, the executions, the jobs and the budget together again where an event was lost or a
 * function died between two writes. Safe to run twice at once. A run that cannot be repaired does not keep the others from it.
 */
export async function handler(event: unknown): Promise<void> {
  const now = new Date(scheduled.parse(event).time)
  const failures: unknown[] = []
  const attempt = (work: Promise<void>) => work.catch((error) => void failures.push(error))
  for (const runId of await runs.listOpen(variable('TEAM'))) {
    const stored = await runs.get(runId)
    if (stored) await attempt(repairRun(stored, now))
  }
  await attempt(terminateOrphanJobs(now))
  for (const error of failures) logger.error('not repaired', error as Error)
  if (failures.length > 0) throw new Error(`${failures.length} repairs failed; the log has them`)
}
