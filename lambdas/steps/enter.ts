import { RoslinError } from '../../core/errors.ts'
import { hasEnded, type RunStatus } from '../../core/run.ts'
import type { RunWithAttempts } from '../../core/store/run-store.ts'
import { runs } from '../clients.ts'

/**
 * The run, moved on to a step of one of its executions.
 * @throws RoslinError RUN_ENDED when it was cancelled or resumed meanwhile: a step that comes late changes nothing.
 */
export async function enter(runId: string, execution: number, status: RunStatus): Promise<RunWithAttempts> {
  await runs.advance(runId, { status, at: new Date().toISOString(), moment: { execution } })
  const stored = await runs.get(runId)
  if (!stored)
    throw new RoslinError('RUN_NOT_FOUND', `There is no run ${runId}.`, 'Start runs through the API.')
  const { run } = stored
  // A step that is told twice to do what it has done says so again.
  const over = hasEnded(run.status) && run.status !== 'succeeded'
  if (over || run.execution !== execution) {
    throw new RoslinError(
      'RUN_ENDED',
      `Run ${runId} is ${run.status} in execution ${run.execution}; this is execution ${execution}.`,
      'Nothing: its other execution goes on.',
    )
  }
  return stored
}
