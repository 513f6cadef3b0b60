import { jobHasEnded } from '../core/run.ts'
import { stopFile, storageLayout } from '../core/storage-layout.ts'
import type { RunWithAttempts } from '../core/store/run-store.ts'
import { runs } from './clients.ts'
import { variable } from './environment.ts'
import { stopExecution } from './executions.ts'
import { terminateJob } from './jobs.ts'
import { writeJson } from './s3-json.ts'
import { settleIfDone } from './settle.ts'

/**
 * The state first: from then on no step of the run does anything. What is left running, the reconciler ends as well.
 * False when the run had ended by itself.
 */
export async function cancelRun(
  { run, attempts }: RunWithAttempts,
  now: boolean,
  note: string,
): Promise<boolean> {
  const { runId, execution } = run
  const live = attempts.filter(({ jobStatus }) => !jobHasEnded(jobStatus))
  if (now) {
    const folder = storageLayout(variable('BUCKET_NAME')).run(runId)
    for (const { jobId } of live) await writeJson(`${folder}${stopFile(jobId)}`, { checkpoint: false })
  }
  const cancelled = await runs.advance(runId, {
    status: 'cancelled',
    at: new Date().toISOString(),
    moment: { execution },
    note,
  })
  if (!cancelled) return false
  await stopExecution(run, 'cancelled')
  for (const { jobId } of live) await terminateJob(jobId, 'The run was cancelled.')
  await settleIfDone(runId)
  return true
}
