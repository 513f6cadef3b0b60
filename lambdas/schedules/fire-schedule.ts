import { ulid } from 'ulid'
import { decideOverlap, isMissed, runsNamed, scheduleOrigin } from '../../core/firing.ts'
import { hasEnded } from '../../core/run.ts'
import { RETRY_MINUTES, type Schedule } from '../../core/schedule.ts'
import type { OpenFiring, Starting } from '../../core/store/firing-store.ts'
import type { RunWithAttempts } from '../../core/store/run-store.ts'
import { cancelRun } from '../cancel-run.ts'
import { firings, runs } from '../clients.ts'
import { startFiring } from '../firings.ts'

/** As many firings are looked at for the schedule's last run. */
const LOOKED_AT = 100

/** One firing: the time due is its key, so that one that is delivered twice is one. */
export async function fireSchedule(schedule: Schedule, due: Date, now: Date): Promise<void> {
  const firing = await begin(schedule, due, now)
  if (!firing) return
  if (!(await runs.get(firing.runId)) && isMissed(due, now, schedule.jitterMinutes + RETRY_MINUTES)) {
    const note = `It fired ${Math.round((now.getTime() - due.getTime()) / 60_000)} minutes late.`
    return firings.decide(firing, { status: 'missed', note }, false)
  }
  return decideAndStart(firing)
}

/** By what its schedule says of overlaps. Done again after the run was stored, it is the same run. */
export async function decideAndStart(firing: Starting): Promise<void> {
  if (await runs.get(firing.runId)) return startFiring(firing)
  const { last, isOneWaiting } = await before(firing)
  switch (decideOverlap(firing.overlap ?? 'skip', last?.run.status, isOneWaiting)) {
    case 'skip':
      return firings.decide(
        firing,
        {
          status: 'skipped',
          note: overlapNote(last, isOneWaiting),
          ...(last && !hasEnded(last.run.status) && { after: last.run.runId }),
        },
        false,
      )
    case 'wait':
      return firings.wait(firing, {
        after: last?.run.runId ?? '',
        note: `It waits for the end of run ${last?.run.runId}.`,
      })
    case 'cancel-previous':
      if (last) await cancelRun(last, false, `Its schedule fired again: ${firing.key}.`)
      return startFiring(firing)
    case 'start':
      return startFiring(firing)
  }
}

/** Undefined when the firing is decided already, waits, or is begun by another that may be at work. */
async function begin(schedule: Schedule, due: Date, now: Date): Promise<Starting | undefined> {
  const { name, recipe, whenUnchanged, overlap } = schedule
  const [origin, key] = [scheduleOrigin(name), due.toISOString()]
  const firing = {
    origin,
    key,
    status: 'starting' as const,
    at: now.toISOString(),
    runId: ulid(),
    startedBy: { kind: 'schedule' as const, name, scheduledAt: key },
    recipe,
    whenUnchanged,
    overlap,
  }
  if (await firings.open(firing)) return firing
  const known = await firings.get(origin, key)
  return known?.status === 'starting' ? firings.claim(known, firing.runId, now) : undefined
}

/** The schedule's last run before this firing, and whether another firing waits for its end. */
async function before({ origin, key }: OpenFiring) {
  const earlier = (await firings.newest(origin, LOOKED_AT)).filter((firing) => firing.key !== key)
  return {
    last: await newestStored(runsNamed(earlier)),
    isOneWaiting: earlier.some(({ status }) => status === 'waiting'),
  }
}

/** A firing that is being started names a run that may never be stored. */
async function newestStored(runIds: readonly string[]): Promise<RunWithAttempts | undefined> {
  for (const runId of runIds) {
    const run = await runs.get(runId)
    if (run) return run
  }
  return undefined
}

function overlapNote(last: RunWithAttempts | undefined, isOneWaiting: boolean): string {
  if (isOneWaiting) return 'A firing before it waits already: that one will take the data as they are then.'
  return `Run ${last?.run.runId} has not ended.`
}
