import { optionName } from '../../core/capacity.ts'
import { type Repair, repairsOf } from '../../core/reconciliation.ts'
import { jobHasEnded } from '../../core/run.ts'
import type { Attempt, Run, RunWithAttempts } from '../../core/store/run-store.ts'
import { runs } from '../clients.ts'
import { deployment } from '../environment.ts'
import { executionStatus, startExecution, stopExecution } from '../executions.ts'
import { describeJobs, terminateJob } from '../jobs.ts'
import { logger } from '../logger.ts'
import { jobDetailSchema, recordJob } from '../record-job.ts'
import { settleIfDone } from '../settle.ts'

/** Looks at one open run, mends what is wrong with it, and gives back its budget if nothing of it is left. */
export async function repairRun({ run, attempts }: RunWithAttempts, now: Date): Promise<void> {
  const unfinished = attempts.filter(({ jobStatus }) => !jobHasEnded(jobStatus))
  const described = await describeJobs(unfinished.map(({ jobId }) => jobId))
  const jobs = new Map(
    described.map((job) => {
      const detail = jobDetailSchema.parse(job)
      return [detail.jobId, detail]
    }),
  )
  const repairs = repairsOf({
    run,
    attempts,
    execution: await executionStatus(run),
    jobs: new Map([...jobs].map(([jobId, { status }]) => [jobId, status])),
    waitMinutes: waitMinutesOf(run),
    now,
  })
  for (const repair of repairs) {
    logger.warn('repairing', { runId: run.runId, repair })
    await apply(run, repair, now.toISOString(), async (jobId) => {
      const detail = jobs.get(jobId)
      if (detail) await recordJob(detail, now.toISOString())
    })
  }
  await settleIfDone(run.runId)
}

async function apply(
  run: Run,
  repair: Repair,
  at: string,
  record: (jobId: string) => Promise<void>,
): Promise<void> {
  switch (repair.do) {
    case 'start':
      await startExecution(run)
      return runs.note(run, 'Repaired: the run was stored and never started.', at)
    case 'end':
      await runs.advance(run.runId, {
        status: 'failed',
        at,
        moment: { execution: run.execution },
        note: 'Repaired: its execution had ended unheard.',
        details: { failure: repair.failure },
      })
      return
    case 'stop-execution':
      await stopExecution(run, `the run is ${run.status}`)
      return runs.note(run, 'Repaired: its execution was still running.', at)
    case 'terminate':
      return terminateJob(repair.jobId, repair.reason)
    case 'record':
      return record(repair.jobId)
    case 'forget':
      return runs.recordJob(forgotten(repair.attempt, run.endedAt ?? at), at)
    case 'notice':
      return runs.noticeBudget(run.runId, at)
  }
}

/** Its end is not known any more: at the latest when its run ended. */
function forgotten(attempt: Attempt, stoppedAt: string): Attempt {
  return {
    ...attempt,
    jobStatus: 'FAILED',
    statusReason: 'Batch does not know the job any more.',
    executions: attempt.executions.map((execution) => ({ stoppedAt, ...execution })),
  }
}

/** How long a job may wait for each of the run’s options. */
export function waitMinutesOf({ options = [] }: Run): number[] {
  const { capacity } = deployment()
  return options.map((option) => {
    const deployed = capacity.find((other) => optionName(other) === optionName(option))
    // An option that the team has taken out of its file: nobody waits for it any more.
    return deployed?.waitMinutes ?? 0
  })
}
