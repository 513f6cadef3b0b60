import { ElectroError } from 'electrodb'
import type { StepName } from '../plan.ts'
import type { Recipe } from '../recipe.ts'
import type { Decision } from '../recovery.ts'
import {
  hasEnded,
  type JobStatus,
  type RunFailure,
  type RunStatus,
  runPosition,
  runStatusOfJob,
  type TimelineEntry,
} from '../run.ts'
import type { AttemptExecution, RoslinTable, RunCapacity, RunModel } from './table.ts'

export interface NewRun {
  readonly runId: string
  readonly team: string
  readonly recipe: Recipe
  readonly createdAt: string
}

export interface Run {
  readonly runId: string
  readonly team: string
  readonly recipeName: string
  readonly recipe: Recipe
  readonly status: RunStatus
  readonly createdAt: string
  readonly endedAt?: string
  readonly timeline: readonly TimelineEntry[]
  readonly executionArn?: string
  readonly planUri?: string
  readonly capacity?: RunCapacity
  readonly options?: readonly RunCapacity[]
  readonly failure?: RunFailure
  readonly model?: RunModel
}

export interface Attempt {
  readonly runId: string
  readonly jobId: string
  readonly step: StepName
  readonly attempt: number
  readonly option: number
  readonly jobStatus: JobStatus
  readonly createdAt: string
  readonly executions: readonly AttemptExecution[]
  readonly statusReason?: string
}

export interface RunPage {
  readonly runs: readonly Run[]
  /** The last run's id where there are older ones. */
  readonly cursor: string | null
}

/** What a change of status brings with it. */
export interface StatusDetails {
  readonly planUri?: string
  readonly capacity?: RunCapacity
  readonly options?: readonly RunCapacity[]
  readonly executionArn?: string
  readonly failure?: RunFailure
  readonly model?: RunModel
}

/** Runs in the table. Every write is conditional: delivered twice or late, it changes nothing and says so. */
export class RunStore {
  readonly #table: RoslinTable

  constructor(table: RoslinTable) {
    this.#table = table
  }

  /** False when a run with this id is already there. */
  async create({ recipe, ...run }: NewRun): Promise<boolean> {
    return applied(() =>
      this.#table.entities.run
        .create({
          ...run,
          recipe,
          recipeName: recipe.name,
          status: 'queued',
          position: runPosition('queued'),
          timeline: [{ status: 'queued', at: run.createdAt }],
        })
        .go(),
    )
  }

  /** Moves a run forward. False when it is already there, further, or ended. */
  async advance(
    runId: string,
    status: RunStatus,
    at: string,
    details: StatusDetails = {},
    position = runPosition(status),
    note?: string,
  ): Promise<boolean> {
    return applied(() =>
      this.#table.entities.run
        .patch({ runId })
        .set({ status, position, ...(hasEnded(status) && { endedAt: at }), ...details })
        .data(({ timeline }, { append }) => append(timeline, [{ status, at, ...(note && { note }) }]))
        .where(
          ({ position: current, endedAt }, { lt, notExists }) =>
            `${lt(current, position)} AND ${notExists(endedAt)}`,
        )
        .go(),
    )
  }

  /** A job failed and is followed by another, on the capacity option that was decided. False when that is known already. */
  async retry(runId: string, step: StepName, { progress, because }: Decision, at: string): Promise<boolean> {
    const stored = await this.get(runId)
    const capacity = stored?.run.options?.[progress.option]
    const status = runStatusOfJob(step, 'SUBMITTED')
    return this.advance(
      runId,
      status,
      at,
      capacity ? { capacity } : {},
      runPosition(status, jobNumber(progress.attempt)),
      because,
    )
  }

  /** Takes in a state of one of the run's Batch jobs: the attempt's item first, then the run's own status. */
  async recordJob(attempt: Attempt, at: string): Promise<void> {
    const { runId, jobId, ...fields } = attempt
    const position = runPosition(
      runStatusOfJob(attempt.step, attempt.jobStatus),
      jobNumber(attempt.attempt) + finishedExecutions(attempt),
      attempt.jobStatus,
    )
    await applied(() =>
      this.#table.entities.attempt
        .upsert({ runId, jobId, ...fields, executions: [...attempt.executions], position })
        .where(
          ({ position: current }, { lt, notExists }) => `${notExists(current)} OR ${lt(current, position)}`,
        )
        .go(),
    )
    const status = runStatusOfJob(attempt.step, attempt.jobStatus)
    if (attempt.jobStatus === 'SUCCEEDED' || attempt.jobStatus === 'FAILED') return
    await this.#advanceQuietly(runId, status, at, position)
  }

  /** Like advance; a status the run already has moves its position on without a second entry in the timeline. */
  async #advanceQuietly(runId: string, status: RunStatus, at: string, position: number): Promise<void> {
    const same = await applied(() =>
      this.#table.entities.run
        .patch({ runId })
        .set({ position })
        .where((run, { eq, lt }) => `${eq(run.status, status)} AND ${lt(run.position, position)}`)
        .go(),
    )
    if (!same) await this.advance(runId, status, at, {}, position)
  }

  async get(runId: string): Promise<{ run: Run; attempts: readonly Attempt[] } | undefined> {
    const { data } = await this.#table.collections.runWithAttempts({ runId }).go({ pages: 'all' })
    const [run] = data.run
    const attempts = data.attempt.toSorted((a, b) => a.createdAt.localeCompare(b.createdAt))
    return run && { run, attempts }
  }

  /** Newest first, those older than the run `before`: one query, whatever the number of runs. */
  async list(team: string, limit: number, before: string | null): Promise<RunPage> {
    const ofTeam = this.#table.entities.run.query.byTeam({ team })
    const older = before === null ? ofTeam : ofTeam.lt({ runId: before })
    // One more than asked for tells whether there is a next page.
    const { data } = await older.go({ order: 'desc', count: limit + 1 })
    const runs = data.slice(0, limit)
    return { runs, cursor: data.length > limit ? (runs.at(-1)?.runId ?? null) : null }
  }
}

/** Room for the starts of one job: Batch may start one again by itself, though ours are told not to. */
const EXECUTIONS_OF_JOB = 10

function jobNumber(attempt: number): number {
  return attempt * EXECUTIONS_OF_JOB
}

function finishedExecutions(attempt: Attempt): number {
  return attempt.executions.filter(({ stoppedAt }) => stoppedAt !== undefined).length
}

/** Runs a conditional write: false when its condition did not hold. */
export async function applied(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write()
    return true
  } catch (error) {
    if (isConditionFailure(error)) return false
    throw error
  }
}

function isConditionFailure(error: unknown): boolean {
  const cause = error instanceof ElectroError ? error.cause : error
  return cause instanceof Error && cause.name === 'ConditionalCheckFailedException'
}
