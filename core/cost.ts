import type { AttemptExecution, RunCapacity } from './store/table.ts'

interface PricedAttempt {
  readonly step: string
  readonly option: number
  readonly executions: readonly AttemptExecution[]
  readonly machine?: RunCapacity
}

/**
 * US dollars of a run until `now`: the hours its containers ran, one on each node of a job, at the price of the machine each found itself on, else at the
 * list price of its option.
 * Prepare runs on the small CPU environment and is left out: below a cent a minute.
 */
export function costUsd(
  attempts: readonly PricedAttempt[],
  options: readonly RunCapacity[],
  now: Date,
): number {
  return attempts
    .filter(({ step }) => step !== 'prepare')
    .reduce(
      (sum, { option, executions, machine = options[option] }) =>
        sum + hours(executions, now) * (machine?.priceUsdPerHour ?? 0),
      0,
    )
}

function hours(executions: readonly AttemptExecution[], now: Date): number {
  return executions.reduce(
    (sum, { startedAt, stoppedAt }) =>
      sum + ((stoppedAt ? Date.parse(stoppedAt) : now.getTime()) - Date.parse(startedAt)) / 3_600_000,
    0,
  )
}
