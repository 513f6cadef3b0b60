/** One measured figure. `baseline` is what it is compared with, in the same unit and from the same run; `holds` whether the target is met. */
export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly baseline: { readonly name: string; readonly value: number } | null
  /** The most, or with `isLeast` the least, that it may be, in the same unit; null where none was set. */
  readonly target: number | null
  readonly isLeast: boolean
  readonly holds: boolean | null
}

export interface Bench {
  readonly name: string
  readonly figures: readonly Figure[]
  /** What was measured, and what was not and why. */
  readonly notes?: readonly string[]
}

export interface BenchOptions {
  /** Whether to measure the peers beside it; they are installed for that. */
  readonly peers: boolean
}

export function figure(
  name: string,
  value: number,
  unit: string,
  {
    target = null,
    isLeast = false,
    baseline = null,
  }: { target?: number | null; isLeast?: boolean; baseline?: Figure['baseline'] } = {},
): Figure {
  return {
    name,
    value: Number(value.toPrecision(4)),
    unit,
    baseline,
    target,
    isLeast,
    holds: target === null ? null : isLeast ? value >= target : value <= target,
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle]
  if (upper === undefined) throw new Error('no values')
  return sorted.length % 2 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2
}
