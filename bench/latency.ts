import { median } from './figure.ts'

export interface Latency {
  readonly p50: number
  readonly p99: number
}

const WARM_UP = 10

/** How long these calls take, in milliseconds: one of each in turns, so that what else the machine does meets all alike. */
export async function latencies<Name extends string>(
  calls: Readonly<Record<Name, () => Promise<unknown>>>,
  repetitions: number,
): Promise<Readonly<Record<Name, Latency>>> {
  const entries = Object.entries<() => Promise<unknown>>(calls)
  const times = new Map<string, number[]>(entries.map(([name]) => [name, []]))
  for (let round = -WARM_UP; round < repetitions; round++) {
    for (const [name, call] of entries) {
      const began = performance.now()
      await call()
      if (round >= 0) times.get(name)?.push(performance.now() - began)
    }
  }
  return Object.fromEntries(
    [...times].map(([name, values]) => [name, { p50: median(values), p99: percentile(values, 0.99) }]),
  ) as Record<Name, Latency>
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
