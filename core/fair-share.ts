import { createHash } from 'node:crypto'
import type { StartedBy } from './started-by.ts'
import type { FairShare, SharedBy } from './team-fair-share.ts'

/** Whose share of the machines a run takes, as the team file's weights name it. */
export function shareName(
  by: SharedBy,
  { recipeName, startedBy }: { readonly recipeName: string; readonly startedBy?: StartedBy },
): string {
  if (by === 'recipe') return recipeName
  if (startedBy?.kind !== 'person') return startedBy?.kind ?? 'person'
  return startedBy.arn?.split('/').at(-1) ?? 'person'
}

/** Batch takes letters and digits alone; names that these do not tell apart, a digest does. */
export function shareIdentifier(name: string): string {
  const letters = name.replace(/[^A-Za-z0-9]/g, '').slice(0, 60)
  if (letters === name) return name
  return `${letters}${createHash('sha256').update(name).digest('hex').slice(0, 8)}`
}

/** Batch's shares: a factor of a half is twice as much of the machines. */
export function shares({
  weights,
}: FairShare): { readonly shareIdentifier: string; readonly weightFactor: number }[] {
  return Object.entries(weights).map(([name, weight]) => ({
    shareIdentifier: shareIdentifier(name),
    weightFactor: Math.round(10_000 / weight) / 10_000,
  }))
}
