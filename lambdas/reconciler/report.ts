import { monthOf } from '../../core/budget.ts'
import { gaugesOf, type OpenRun, openRun } from '../../core/open-run.ts'
import type { Run } from '../../core/store/run-store.ts'
import { ledger } from '../clients.ts'
import { variable } from '../environment.ts'
import { logger } from '../logger.ts'
import { publish } from '../metrics.ts'
import { waitMinutesOf } from './repair-run.ts'

/** How a run stands; one that is stuck is named in the log, for docs/operations.md tells to look there. */
export function lookAt(run: Run, now: Date): OpenRun {
  const looked = openRun(run, waitMinutesOf(run), Number(variable('STUCK_RUN_MINUTES')), now)
  const { runId, status, minutesInState, isStuck } = looked
  if (isStuck) logger.warn('run stuck', { runId, status, minutesInState })
  return looked
}

/** The team's runs and money of now, as metrics. */
export async function report(openRuns: readonly OpenRun[], now: Date): Promise<void> {
  const usage = await ledger.usage(variable('TEAM'), monthOf(now.toISOString()))
  publish(gaugesOf(openRuns, usage))
}
