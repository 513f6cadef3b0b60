import { INSTANCE_TYPES, isInstanceType } from './instance-types.ts'
import type { MetricValues } from './metrics.ts'
import type { Attempt, ListedRun } from './store/run-store.ts'

/** What one write to a run counts for. Written once more, as it was, it counts for nothing. */
export function metricsOfRun(before: ListedRun | undefined, after: ListedRun): MetricValues {
  const ended = after.endedAt !== undefined && before?.endedAt === undefined
  return ended && after.failure?.class === 'internal' ? { InternalFailures: 1 } : {}
}

/** The GPU hours that one write to an attempt brings: of its executions that have ended, less those that had before. */
export function metricsOfAttempt(before: Attempt | undefined, after: Attempt): MetricValues {
  const hours = gpuHours(after) - (before ? gpuHours(before) : 0)
  return hours > 0 ? { GpuHours: hours } : {}
}

/** The machine is known from the job's end on; Prepare has none, and no GPU. */
function gpuHours({ machine, executions }: Attempt): number {
  if (!machine || !isInstanceType(machine.instanceType)) return 0
  const type = INSTANCE_TYPES[machine.instanceType]
  const gpus = 'gpu' in type ? type.gpu.count : 0
  return executions.reduce(
    (sum, { startedAt, stoppedAt }) =>
      stoppedAt ? sum + ((Date.parse(stoppedAt) - Date.parse(startedAt)) / 3_600_000) * gpus : sum,
    0,
  )
}

/** Sums of all changes of a batch. */
export function addUp(values: readonly MetricValues[]): MetricValues {
  const sums: Record<string, number> = {}
  for (const [name, value] of values.flatMap((each) => Object.entries(each))) {
    sums[name] = (sums[name] ?? 0) + value
  }
  return sums
}
