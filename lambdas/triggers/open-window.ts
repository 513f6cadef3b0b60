import { contentKey } from '../../core/plan.ts'
import { type Occasion, type Trigger, triggerOrigin, versionSubject } from '../../core/trigger.ts'
import { firings } from '../clients.ts'
import { claimAndStart } from '../firings.ts'
import { callAt } from '../scheduler.ts'

/**
 * An occasion for a trigger. The first opens a window; those that come in it join, and when it closes one run starts with the
 * newest. Delivered twice, or older than what was taken, it changes nothing.
 */
export async function openWindow(trigger: Trigger, occasion: Occasion): Promise<void> {
  const origin = triggerOrigin(trigger)
  for (;;) {
    const [latest] = await firings.newest(origin, 1)
    if (latest?.subject !== undefined && latest.subject >= occasion.subject) {
      // Whoever opened it may have died before it was to be closed.
      if (latest.status === 'waiting') return close(origin, latest.key, latest.dueAt)
      // Two events of one moment are two; a version, or one event sent again, is taken once.
      if (trigger.kind !== 'event' || latest.subject === occasion.subject) return
    }
    if (latest?.status === 'waiting') {
      if (await firings.join(latest, occasion)) return
      continue
    }
    const key = versionSubject(Number(latest?.key ?? 0) + 1)
    const now = new Date()
    const dueAt = new Date(now.getTime() + trigger.debounceMinutes * 60_000).toISOString()
    if (await firings.open({ origin, key, status: 'waiting', at: now.toISOString(), dueAt, ...occasion })) {
      return close(origin, key, dueAt)
    }
  }
}

/** At its time; at once where that has come. */
async function close(origin: string, key: string, dueAt: string | undefined): Promise<void> {
  const at = new Date(dueAt ?? 0)
  if (at.getTime() <= Date.now()) return claimAndStart({ origin, key })
  await callAt(contentKey([origin, key]), at, { firing: { origin, key } })
}
