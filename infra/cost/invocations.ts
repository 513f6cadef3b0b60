import { nextFirings, rateMinutes } from '../../core/schedule-expression.ts'
import { ASSUMED } from './assumed.ts'
import type { Usage } from './priced-types.ts'
import { type Resources, referredId } from './template.ts'

/** How often it fires in a month, taken for 730 hours from a fixed Monday on. */
export function firingsPerMonth(expression: string, timeZone = 'UTC'): number {
  const minutes = rateMinutes(expression)
  if (minutes !== undefined) return (ASSUMED.hoursPerMonth * 60) / minutes
  const from = new Date('2026-06-01T00:00:00Z')
  const until = from.getTime() + ASSUMED.hoursPerMonth * 3_600_000
  const all = nextFirings({ expression, timeZone }, from, ASSUMED.hoursPerMonth * 60, from)
  return all.filter((at) => at.getTime() <= until).length
}

/** What calls of a function come to: the requests, its time, its logs, its traces, and its look at the table. */
export function usageOfCalls(target: unknown, calls: number, resources: Resources): Usage[] {
  const id = referredId(target)
  const called = id === undefined ? undefined : resources[id]
  // A topic or a queue that is told: no price at rest.
  if (called?.Type !== 'AWS::Lambda::Function') return []
  const { MemorySize = 128, TracingConfig } = called.Properties
  const { secondsPerInvocation, logKiBPerInvocation, readUnitsPerInvocation } = ASSUMED
  const times = `${Math.round(calls)} calls of ${id}`
  return [
    { price: 'lambdaRequest', quantity: calls, basis: times },
    {
      price: 'lambdaGiBSecond',
      quantity: (calls * MemorySize * secondsPerInvocation) / 1024,
      basis: `${times}, ${MemorySize} MiB for ${secondsPerInvocation} s`,
    },
    {
      price: 'logGiB',
      quantity: (calls * logKiBPerInvocation) / 2 ** 20,
      basis: `${times}, ${logKiBPerInvocation} KiB each`,
    },
    {
      price: 'dynamoRead',
      quantity: calls * readUnitsPerInvocation,
      basis: `${times}, ${readUnitsPerInvocation} units each`,
    },
    ...(TracingConfig?.Mode === 'Active' ? [{ price: 'trace', quantity: calls, basis: times } as const] : []),
  ]
}
