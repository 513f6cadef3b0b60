import type { StepName } from './plan.ts'

/** The states of a run, in the order they are gone through. */
export const RUN_STATUSES = [
  'queued',
  'planning',
  'preparing',
  'waiting',
  'training',
  'evaluating',
  'registering',
  'succeeded',
  'failed',
  'cancelled',
  'budget-stopped',
] as const

export type RunStatus = (typeof RUN_STATUSES)[number]

const ENDED: readonly RunStatus[] = ['succeeded', 'failed', 'cancelled', 'budget-stopped']

export function hasEnded(status: RunStatus): boolean {
  return ENDED.includes(status)
}

/** Batch's own states of a job. */
export const JOB_STATUSES = [
  'SUBMITTED',
  'PENDING',
  'RUNNABLE',
  'STARTING',
  'RUNNING',
  'SUCCEEDED',
  'FAILED',
] as const
export type JobStatus = (typeof JOB_STATUSES)[number]

/**
 * How far a run is, as one number that only grows. Events come twice and out of order: a write that does not raise
 * the position changes nothing. Room is left between the steps for many attempts of each.
 */
export function runPosition(status: RunStatus, attempt = 0, jobStatus?: JobStatus): number {
  const withinStep = attempt * JOB_STATUSES.length + (jobStatus ? JOB_STATUSES.indexOf(jobStatus) : 0)
  return POSITION_OF[status] + Math.min(withinStep, STEP_ROOM - 1)
}

const STEP_ROOM = 100_000
/** `waiting` and `training` share a place: a run goes back to waiting when its Train job is tried again. */
const POSITION_OF: Readonly<Record<RunStatus, number>> = {
  queued: 0,
  planning: STEP_ROOM,
  preparing: 2 * STEP_ROOM,
  waiting: 3 * STEP_ROOM,
  training: 3 * STEP_ROOM,
  evaluating: 4 * STEP_ROOM,
  registering: 5 * STEP_ROOM,
  succeeded: 6 * STEP_ROOM,
  failed: 6 * STEP_ROOM,
  cancelled: 6 * STEP_ROOM,
  'budget-stopped': 6 * STEP_ROOM,
}

/** What a step's job, in this state, makes of the run. */
export function runStatusOfJob(step: StepName, jobStatus: JobStatus): RunStatus {
  switch (step) {
    case 'prepare':
      return 'preparing'
    case 'train':
      return jobStatus === 'RUNNING' || jobStatus === 'SUCCEEDED' ? 'training' : 'waiting'
    case 'evaluate':
      return 'evaluating'
  }
}

export interface TimelineEntry {
  readonly status: RunStatus
  readonly at: string
  /** Why, where it is not the usual next one. */
  readonly note?: string
}

/** Why a run failed: stable class and code, and what to do. */
export interface RunFailure {
  readonly class: string
  readonly code: string
  readonly step: string
  readonly message: string
  readonly nextStep: string
}
