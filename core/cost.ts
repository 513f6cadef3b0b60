import type { AttemptExecution, RunCapacity } from './store/table.ts'

interface PricedAttempt {
  readonly step: string
  readonly executions: readonly AttemptExecution[]
}

/**
 * US dollars of a run until `now`: the hours its containers ran on the priced machine, at the list price of its plan.
 * Prepare runs on the small CPU environment and is left out: below a cent a minute.
 */
export function costUsd(
  attempts: readonly PricedAttempt[],
  capacity: RunCapacity | undefined,
  now: Date,
): number {
  if (!capacity) return 0
  const milliseconds = attempts
    .filter(({ step }) => step !== 'prepare')
    .flatMap(({ executions }) => executions)
    .reduce(
      (sum, { startedAt, stoppedAt }) =>
        sum + ((stoppedAt ? Date.parse(stoppedAt) : now.getTime()) - Date.parse(startedAt)),
      0,
    )
  return (milliseconds / 3_600_000) * capacity.priceUsdPerHour
}
