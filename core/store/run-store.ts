import type { StepName } from '../plan.ts'
import type { Recipe } from '../recipe.ts'
import type { Decision } from '../recovery.ts'
import {
  type FlowStep,
  hasEnded,
  type JobStatus,
  jobHasEnded,
  type RunFailure,
  type RunMoment,
  type RunStatus,
  runPosition,
  runStatusOfJob,
  type TimelineEntry,
} from '../run.ts'
import type { FinalMetrics } from '../run-view.ts'
import type { StartedBy } from '../started-by.ts'
import { applied } from './conditional.ts'
import type { AttemptExecution, Reservation, RoslinTable, RunCapacity, RunModel } from './table.ts'

export interface Run {
  readonly runId: string
  readonly team: string
  readonly recipeName: string
  readonly recipe: Recipe
  readonly status: RunStatus
  readonly createdAt: string
  /** Not known of runs from before it was kept. */
  readonly startedBy?: StartedBy
  readonly endedAt?: string
  readonly timeline: readonly TimelineEntry[]
  readonly execution: number
  readonly from: FlowStep
  readonly planUri?: string
  readonly capacity?: RunCapacity
  readonly options?: readonly RunCapacity[]
  readonly failure?: RunFailure
  readonly model?: RunModel
  readonly metrics?: FinalMetrics
  readonly reservation?: Reservation
  readonly spentUsd?: number
  /** The month that it was accounted in, last. Not known of runs from before it was kept. */
  readonly spentMonth?: string
  readonly budgetNoticeAt?: string
  /** The request that its newest execution was asked for with; none for the first. */
  readonly reopenedBy?: string
}

/** A run as lists have it. */
export type ListedRun = Omit<Run, 'recipe'>

export interface Attempt {
  readonly runId: string
  readonly jobId: string
  readonly step: StepName
  readonly execution: number
  readonly attempt: number
  readonly option: number
  readonly jobStatus: JobStatus
  readonly createdAt: string
  readonly executions: readonly AttemptExecution[]
  readonly statusReason?: string
  readonly machine?: RunCapacity
}

export interface RunWithAttempts {
  readonly run: Run
  readonly attempts: readonly Attempt[]
}

/** A change of a run's status, and what it brings with it. */
export interface Change {
  readonly status: RunStatus
  readonly at: string
  readonly moment: RunMoment
  /** Why, for the timeline. */
  readonly note?: string
  readonly details?: {
    readonly planUri?: string
    readonly capacity?: RunCapacity
    readonly options?: readonly RunCapacity[]
    readonly failure?: RunFailure
    readonly model?: RunModel
    readonly metrics?: FinalMetrics
  }
}

/** Runs in the table. Every write is conditional: delivered twice or late, it changes nothing and says so. */
export class RunStore {
  readonly #table: RoslinTable

  constructor(table: RoslinTable) {
    this.#table = table
  }

  /** Moves a run forward. False when it is already there, further, or ended. */
  async advance(runId: string, { status, at, moment, note, details }: Change): Promise<boolean> {
    const position = runPosition(status, moment)
    return applied(() =>
      this.#table.entities.run
        .patch({ runId })
        .set({
          status,
          position,
          ...(hasEnded(status) && { endedAt: at, outcome: status, endedRunId: runId }),
          ...(details?.model && { modelName: details.model.name, modelRunId: runId }),
          ...details,
        })
        .data(({ timeline }, { append }) => append(timeline, [{ status, at, ...(note && { note }) }]))
        .where(
          ({ position: current, endedAt }, { lt, notExists }) =>
            `${lt(current, position)} AND ${notExists(endedAt)}`,
        )
        .go(),
    )
  }

  /** A job failed and is followed by another, on the capacity option that was decided. False when that is known already. */
  async retry(run: Run, step: StepName, { progress, because }: Decision, at: string): Promise<boolean> {
    const capacity = run.options?.[progress.option]
    return this.advance(run.runId, {
      status: runStatusOfJob(step, 'SUBMITTED'),
      at,
      moment: { execution: run.execution, attempt: jobNumber(progress.attempt) },
      note: because,
      ...(capacity && { details: { capacity } }),
    })
  }

  /** Says in the timeline what was mended of the run, if nothing has been said since it was read. Its state stays. */
  async note(run: Run, note: string, at: string): Promise<void> {
    const { runId, status } = run
    await applied(() =>
      this.#table.entities.run
        .patch({ runId })
        .data(({ timeline }, { append }) => append(timeline, [{ status, at, note }]))
        .where(
          ({ timeline }, operations) =>
            `${operations.size(timeline)} = ${operations.escape(run.timeline.length)}`,
        )
        .go(),
    )
  }

  /** Most of what the run may cost is spent: once. */
  async noticeBudget(runId: string, at: string): Promise<void> {
    await applied(() =>
      this.#table.entities.run
        .patch({ runId })
        .set({ budgetNoticeAt: at })
        .where(
          ({ budgetNoticeAt, endedAt }, { notExists }) =>
            `${notExists(budgetNoticeAt)} AND ${notExists(endedAt)}`,
        )
        .go(),
    )
  }

  /** Takes in a state of one of the run's Batch jobs: the attempt's item first, then the run's own status. */
  async recordJob(attempt: Attempt, at: string): Promise<void> {
    const { runId, jobId, ...fields } = attempt
    const moment = {
      execution: attempt.execution,
      attempt: jobNumber(attempt.attempt) + finishedExecutions(attempt),
      jobStatus: attempt.jobStatus,
    }
    const status = runStatusOfJob(attempt.step, attempt.jobStatus)
    const position = runPosition(status, moment)
    await applied(() =>
      this.#table.entities.attempt
        .upsert({ runId, jobId, ...fields, executions: [...attempt.executions], position })
        .where(
          // As far as it is known already, too: Batch tells later why a job waits.
          ({ position: current }, { lte, notExists }) => `${notExists(current)} OR ${lte(current, position)}`,
        )
        .go(),
    )
    if (jobHasEnded(attempt.jobStatus)) return
    await this.#advanceQuietly(runId, { status, at, moment })
  }

  /** Like advance; a status the run already has moves its position on without a second entry in the timeline. */
  async #advanceQuietly(runId: string, change: Change): Promise<void> {
    const { status } = change
    const position = runPosition(status, change.moment)
    const same = await applied(() =>
      this.#table.entities.run
        .patch({ runId })
        .set({ position })
        .where((run, { eq, lt }) => `${eq(run.status, status)} AND ${lt(run.position, position)}`)
        .go(),
    )
    if (!same) await this.advance(runId, change)
  }

  /** As the last write left it. */
  async get(runId: string): Promise<RunWithAttempts | undefined> {
    const { data } = await this.#table.collections
      .runWithAttempts({ runId })
      .go({ pages: 'all', consistent: true })
    const [run] = data.run
    const recipe = data.runRecipe[0]?.recipe ?? run?.recipe
    if (!run || !recipe) return undefined
    const attempts = data.attempt.toSorted((a, b) => a.createdAt.localeCompare(b.createdAt))
    return { run: { ...run, recipe }, attempts }
  }

  /** Those that have not ended, or whose jobs or money have not. */
  async listOpen(team: string): Promise<readonly string[]> {
    const { data } = await this.#table.entities.run.query.open({ openTeam: team }).go({ pages: 'all' })
    return data.map(({ runId }) => runId)
  }
}

/** Room for the starts of one job: Batch may start one again by itself, though ours are told not to. */
const EXECUTIONS_OF_JOB = 10

function jobNumber(attempt: number): number {
  return attempt * EXECUTIONS_OF_JOB
}

/** Of the main node, where there are several: they start and end together. */
function finishedExecutions(attempt: Attempt): number {
  return attempt.executions.filter(({ node = 0, stoppedAt }) => node === 0 && stoppedAt !== undefined).length
}
