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

/** The states of the flow that a run can begin with again. */
export const STEPS = ['prepare', 'train', 'evaluate', 'register'] as const
export type FlowStep = (typeof STEPS)[number]

export const ENDED: readonly RunStatus[] = ['succeeded', 'failed', 'cancelled', 'budget-stopped']

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

export function jobHasEnded(status: JobStatus): boolean {
  return status === 'SUCCEEDED' || status === 'FAILED'
}

/** Where in a run something happens: its execution (one more with each resume), and the jobs that failed before. */
export interface RunMoment {
  readonly execution?: number
  readonly attempt?: number
  readonly jobStatus?: JobStatus
}

/**
 * How far a run is, as one number that only grows. Events come twice and out of order: a write that does not raise
 * the position changes nothing. Room is left between the steps for many attempts of each, and between executions for all steps.
 */
export function runPosition(
  status: RunStatus,
  { execution = 0, attempt = 0, jobStatus }: RunMoment = {},
): number {
  const withinStep = attempt * JOB_STATUSES.length + (jobStatus ? JOB_STATUSES.indexOf(jobStatus) : 0)
  return execution * EXECUTION_ROOM + POSITION_OF[status] + Math.min(withinStep, STEP_ROOM - 1)
}

const STEP_ROOM = 100_000
const EXECUTION_ROOM = 10 * STEP_ROOM
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

/** The name of an execution of the state machine: one that is started twice by mistake is refused. */
export function executionName(runId: string, execution: number): string {
  return execution === 0 ? runId : `${runId}-${execution}`
}

export function parseExecutionName(name: string): { readonly runId: string; readonly execution: number } {
  const [runId = name, execution = '0'] = name.split('-')
  return { runId, execution: Number(execution) }
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
