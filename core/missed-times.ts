import { nextFirings, type ScheduleTime } from './schedule-expression.ts'

const MOST_SHOWN = 10

/**
 * The times due of which nothing was heard, and nothing will be any more: after the last firing, since the schedule was last
 * changed, and longer ago than its window and its retries. At most ten, the oldest first.
 */
export function missedTimes(
  time: ScheduleTime,
  known: { readonly start: Date; readonly changedAt: Date; readonly lastDue: string | undefined },
  now: Date,
  windowMinutes: number,
): string[] {
  const since = Math.max(
    known.changedAt.getTime(),
    known.lastDue === undefined ? 0 : Date.parse(known.lastDue),
  )
  const until = now.getTime() - windowMinutes * 60_000
  return nextFirings(time, new Date(since), MOST_SHOWN, known.start)
    .filter((due) => due.getTime() < until)
    .map((due) => due.toISOString())
}
