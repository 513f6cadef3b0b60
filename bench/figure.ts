/** One measured figure. `baseline` is what it is compared with, in the same unit and from the same run; `holds` whether the target is met. */
export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly baseline: { readonly name: string; readonly value: number } | null
  /** The most it may be, in the same unit; null where none was set. */
  readonly target: number | null
  readonly holds: boolean | null
}

export interface Bench {
  readonly name: string
  readonly figures: readonly Figure[]
}

export interface BenchOptions {
  /** Whether to measure the peers beside it; they are installed for that. */
  readonly peers: boolean
}

export function figure(
  name: string,
  value: number,
  unit: string,
  { target = null, baseline = null }: { target?: number | null; baseline?: Figure['baseline'] } = {},
): Figure {
  return {
    name,
    value: Number(value.toPrecision(4)),
    unit,
    baseline,
    target,
    holds: target === null ? null : value <= target,
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle]
  if (upper === undefined) throw new Error('no values')
  return sorted.length % 2 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2
}
