import type { TeamUsage } from './budget.ts'
import type { DeployedCapacity } from './capacity.ts'
import { costUsd } from './cost.ts'
import { type FlowStep, hasEnded } from './run.ts'
import type { Attempt, Run } from './store/run-store.ts'
import type { WaitingReason } from './waiting.ts'

/** A run as the API shows it: what is stored, and what follows from it. */
export interface RunView extends Omit<Run, 'recipe'> {
  readonly costUsd: number
  readonly elapsedSeconds: number
}

/** One run with all of it: its recipe and its attempts. */
export interface RunDetail extends RunView {
  /** Of a run that waits for a machine. */
  readonly waiting?: WaitingReason
  readonly recipe: Run['recipe']
  readonly attempts: readonly Attempt[]
}

export interface RunList {
  readonly runs: readonly Omit<RunView, 'costUsd'>[]
  /** Give it back to get the next page; null on the last. */
  readonly cursor: string | null
}

/** The team's deployment, and its money this month. */
export interface TeamView {
  readonly team: string
  readonly region: string
  readonly capacity: readonly Omit<DeployedCapacity, 'jobQueueArn'>[]
  /** `limitUsd` is null where the team file sets none. */
  readonly budget: TeamUsage & { readonly limitUsd: number | null }
}

/** How an ended run is to go on. */
export interface Resumption {
  readonly limits?: { readonly maxUsd?: number; readonly maxHours?: number }
  readonly from?: FlowStep
}

export interface LogPage {
  readonly lines: readonly LogLine[]
  /** Give it back to read on from here. */
  readonly cursor: string
}

export interface LogLine {
  readonly at: string
  readonly step: string
  readonly message: string
}

export interface UploadRequest {
  /** Names the folder: the hash of the file, or of all that is uploaded together. */
  readonly contentSha256: string
  readonly fileName: string
  readonly sha256: string
  readonly bytes: number
}

export interface Upload {
  readonly uri: string
  /** Where to PUT the file, with these headers; null when the team already has it. */
  readonly put: { readonly url: string; readonly headers: Readonly<Record<string, string>> } | null
}

export function runDetail(run: Run, attempts: readonly Attempt[], now: Date): RunDetail {
  return {
    ...run,
    attempts,
    costUsd: costUsd(attempts, run.options ?? [], runClock(run, now)),
    elapsedSeconds: elapsed(run, now),
  }
}

export function runListItem({ recipe: _, ...run }: Run, now: Date): RunList['runs'][number] {
  return { ...run, elapsedSeconds: elapsed(run, now) }
}

type Timed = Pick<Run, 'status' | 'createdAt' | 'endedAt'>

/** A run's clock stands still once it has ended. */
function runClock(run: Timed, now: Date): Date {
  return hasEnded(run.status) && run.endedAt ? new Date(run.endedAt) : now
}

function elapsed(run: Timed, now: Date): number {
  return Math.max(0, Math.round((runClock(run, now).getTime() - Date.parse(run.createdAt)) / 1000))
}
