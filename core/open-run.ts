import type { TeamUsage } from './budget.ts'
import type { MetricValues } from './metrics.ts'
import { EVALUATE_TIMEOUT_SECONDS, PREPARE_TIMEOUT_SECONDS } from './plan.ts'
import type { RunStatus } from './run.ts'
import type { Run } from './store/run-store.ts'

/** How an open run stands. Small: a team may have thousands. */
export interface OpenRun {
  readonly runId: string
  readonly status: RunStatus
  /** Since its timeline last grew. */
  readonly minutesInState: number
  readonly isStuck: boolean
}

/** Prepare's machines are small ones; how long Batch waits for them is in infra/constructs/compute.ts. */
const PREPARE_WAIT_MINUTES = 60

/**
 * @param waitMinutes how long a job may wait for each of the run's options
 * @param slackMinutes added to what a state may take
 */
export function openRun(run: Run, waitMinutes: readonly number[], slackMinutes: number, now: Date): OpenRun {
  const since = Date.parse(run.timeline.at(-1)?.at ?? run.createdAt)
  const minutesInState = Math.max(0, Math.round((now.getTime() - since) / 60_000))
  const isStuck = minutesInState > allowedMinutes(run, Math.max(0, ...waitMinutes)) + slackMinutes
  return { runId: run.runId, status: run.status, minutesInState, isStuck }
}

/** What a state may take by its own limits. Those without a job take seconds; so does settling, once a run has ended. */
function allowedMinutes({ status, recipe }: Run, longestWaitMinutes: number): number {
  switch (status) {
    case 'preparing':
      return PREPARE_WAIT_MINUTES + PREPARE_TIMEOUT_SECONDS / 60
    case 'waiting':
      return longestWaitMinutes
    case 'training':
      return recipe.limits.maxHours * 60
    case 'evaluating':
      return longestWaitMinutes + EVALUATE_TIMEOUT_SECONDS / 60
    default:
      return 0
  }
}

/** A team's state as metrics; none where no run is open and nothing of the month's money is taken. */
export function gaugesOf(openRuns: readonly OpenRun[], usage: TeamUsage): MetricValues {
  if (openRuns.length === 0 && usage.committedUsd === 0) return {}
  const count = (...statuses: RunStatus[]) =>
    openRuns.filter(({ status }) => statuses.includes(status)).length
  const waits = openRuns
    .filter(({ status }) => status === 'waiting')
    .map(({ minutesInState }) => minutesInState)
  return {
    PreparingRuns: count('queued', 'planning', 'preparing'),
    WaitingRuns: count('waiting'),
    TrainingRuns: count('training'),
    FinishingRuns: count('evaluating', 'registering'),
    StuckRuns: openRuns.filter(({ isStuck }) => isStuck).length,
    LongestWaitMinutes: Math.max(0, ...waits),
    SpentUsd: usage.spentUsd,
    CommittedUsd: usage.committedUsd,
  }
}
