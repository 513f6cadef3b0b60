import { z } from 'zod'
import { hasEnded, type RunStatus } from './run.ts'
import { startedBySchema } from './started-by.ts'

/** What can become of an occasion to start a run. */
export const FIRING_STATUSES = ['waiting', 'starting', 'started', 'skipped', 'refused', 'missed'] as const
export type FiringStatus = (typeof FIRING_STATUSES)[number]

/** One occasion on which a schedule or a trigger wanted a run, and what became of it. */
export const firingSchema = z.object({
  origin: z.string().describe('The schedule or trigger'),
  key: z.string().describe("The time due, or the trigger's count"),
  status: z.enum(FIRING_STATUSES),
  at: z.string(),
  startedBy: startedBySchema,
  runId: z.ulid().optional(),
  note: z.string().optional().describe('Why there is no run, or not yet'),
  code: z.string().optional().describe("The error's, where the run was refused, or waits for it to pass"),
  sameAs: z.string().optional().describe('Skipped: the run whose inputs are still all there is'),
  after: z.string().optional().describe("Waiting: for this run's end; skipped: this run had not ended"),
  dueAt: z.string().optional().describe('Waiting: until then'),
})
export type Firing = z.output<typeof firingSchema>

export const scheduleOrigin = (name: string) => `schedule.${name}`

/** The runs that firings name, the newest first: ids of runs sort by time. */
export function runsNamed(firings: readonly Firing[]): readonly string[] {
  const named = firings.flatMap(({ runId, sameAs, after }) => [runId, sameAs, after])
  return [...new Set(named)]
    .filter((id) => id !== undefined)
    .sort()
    .reverse()
}

export type Overlap = 'skip' | 'queue' | 'cancel-previous'

/** What to do with a firing, by the schedule's last run and whether a firing waits for its end already. */
export function decideOverlap(
  overlap: Overlap,
  last: RunStatus | undefined,
  isOneWaiting: boolean,
): 'start' | 'skip' | 'wait' | 'cancel-previous' {
  if (last === undefined || hasEnded(last)) return isOneWaiting ? 'skip' : 'start'
  // The one that waits cancels it when its turn comes.
  if (overlap === 'cancel-previous') return isOneWaiting ? 'skip' : 'cancel-previous'
  // One run after this one is as good as many: each takes the data as they are then.
  return overlap === 'queue' && !isOneWaiting ? 'wait' : 'skip'
}

/** Time for a firing's own function to end; after that it is taken for dead, and done again. */
const STARTING_MILLISECONDS = 5 * 60_000

/** Whoever began to start a firing before this is dead, if it is still being started. */
export function abandonedBefore(now: Date): string {
  return new Date(now.getTime() - STARTING_MILLISECONDS).toISOString()
}

/** Whether an open firing is to be gone on with: what it waited for has come, or whoever started it died. */
export function isDue(
  firing: Firing,
  now: Date,
  statusOf: (runId: string) => RunStatus | undefined,
): boolean {
  if (firing.status === 'starting') return firing.at < abandonedBefore(now)
  if (firing.status !== 'waiting') return false
  const awaited = firing.after === undefined ? undefined : statusOf(firing.after)
  if (awaited !== undefined && !hasEnded(awaited)) return false
  return firing.dueAt === undefined || Date.parse(firing.dueAt) <= now.getTime()
}

/** Whether a firing comes too late to count: its window and the time for deliveries have passed. */
export function isMissed(due: Date, now: Date, windowMinutes: number): boolean {
  return now.getTime() - due.getTime() > windowMinutes * 60_000
}
