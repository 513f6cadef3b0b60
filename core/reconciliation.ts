import { NOTICE_SHARE } from './budget.ts'
import { costUsd } from './cost.ts'
import { executionFailure, WAITED_TOO_LONG } from './failure.ts'
import { hasEnded, type JobStatus, jobHasEnded, type RunFailure } from './run.ts'
import type { Attempt, Run } from './store/run-store.ts'

/** What the services say of a run that is open. */
export interface Observed {
  readonly run: Run
  readonly attempts: readonly Attempt[]
  /** Undefined where there is no execution. */
  readonly execution: 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED' | string | undefined
  /** Jobs that Batch still knows, by id. */
  readonly jobs: ReadonlyMap<string, JobStatus>
  /** How long a job may wait for each of the run's options. */
  readonly waitMinutes: readonly number[]
  readonly now: Date
}

/** One thing to mend, each of which may be done twice without harm. */
export type Repair =
  | { readonly do: 'start' }
  | { readonly do: 'end'; readonly failure: RunFailure }
  | { readonly do: 'stop-execution' }
  | { readonly do: 'terminate'; readonly jobId: string; readonly reason: string }
  /** Batch knows better than the table. */
  | { readonly do: 'record'; readonly jobId: string }
  /** Batch has forgotten a job that the table takes for live. */
  | { readonly do: 'forget'; readonly attempt: Attempt }
  | { readonly do: 'notice' }

/** Events are late by seconds; what is still amiss after this is amiss. */
const GRACE_MILLISECONDS = 2 * 60_000

/** What is wrong with an open run, from what the table and the services say of it. */
export function repairsOf(observed: Observed): Repair[] {
  const { run, now } = observed
  const lastChange = Date.parse(run.timeline.at(-1)?.at ?? run.createdAt)
  if (now.getTime() - lastChange < GRACE_MILLISECONDS) return noticeIfDue(observed)
  return hasEnded(run.status)
    ? [...leftovers(observed), ...lostJobEvents(observed)]
    : [
        ...lostExecution(observed),
        ...overdueJobs(observed),
        ...lostJobEvents(observed),
        ...noticeIfDue(observed),
      ]
}

/** A run that was stored and never started, or whose execution ended unheard. */
function lostExecution({ run, execution }: Observed): Repair[] {
  if (execution === 'RUNNING' || execution === 'SUCCEEDED') return []
  if (execution === undefined && run.status === 'queued') return [{ do: 'start' }]
  return [{ do: 'end', failure: executionFailure(execution) }]
}

/** Batch moves a job on only for causes that it can name, and only at the head of its queue. */
function overdueJobs({ attempts, jobs, waitMinutes, now }: Observed): Repair[] {
  return attempts
    .filter(({ step, jobId, createdAt, option }) => {
      const overdueAt = Date.parse(createdAt) + (waitMinutes[option] ?? Number.POSITIVE_INFINITY) * 60_000
      return step !== 'prepare' && jobs.get(jobId) === 'RUNNABLE' && now.getTime() > overdueAt
    })
    .map(({ jobId, option }) => ({
      do: 'terminate',
      jobId,
      reason: `${WAITED_TOO_LONG} - no machine came in ${waitMinutes[option]} minutes.`,
    }))
}

/** An ended run has neither execution nor jobs. */
function leftovers({ execution, attempts, jobs }: Observed): Repair[] {
  const live = attempts.filter(({ jobId }) => {
    const status = jobs.get(jobId)
    return status !== undefined && !jobHasEnded(status)
  })
  return [
    ...(execution === 'RUNNING' ? [{ do: 'stop-execution' } as const] : []),
    ...live.map(({ jobId }) => ({ do: 'terminate', jobId, reason: 'Its run has ended.' }) as const),
  ]
}

function lostJobEvents({ attempts, jobs }: Observed): Repair[] {
  return attempts.flatMap((attempt): Repair[] => {
    const { jobId, jobStatus } = attempt
    if (jobHasEnded(jobStatus)) return []
    const status = jobs.get(jobId)
    if (status === undefined) return [{ do: 'forget', attempt }]
    return status === jobStatus ? [] : [{ do: 'record', jobId }]
  })
}

function noticeIfDue({ run, attempts, now }: Observed): Repair[] {
  if (!run.reservation || run.budgetNoticeAt || hasEnded(run.status)) return []
  const mayCostUsd = run.reservation.usd + (run.spentUsd ?? 0)
  const due = costUsd(attempts, run.options ?? [], now) >= NOTICE_SHARE * mayCostUsd
  return due ? [{ do: 'notice' }] : []
}
