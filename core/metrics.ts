/** Everything below carries the one dimension `team`: each is one metric of a team's bill. */
export const METRIC_NAMESPACE = 'Roslin'

interface MetricOf {
  readonly unit: 'Count' | 'None'
  /** How several values of one period become one: of a state the highest, of what happened the sum. */
  readonly statistic: 'Maximum' | 'Sum'
}

const state = { unit: 'Count', statistic: 'Maximum' } as const satisfies MetricOf
const amount = { unit: 'None', statistic: 'Maximum' } as const satisfies MetricOf
const happened = { unit: 'Count', statistic: 'Sum' } as const satisfies MetricOf

/**
 * The metrics of a team. CloudWatch charges each by the hour in which it has values ($0.30 a month), and none has any while no run
 * is open and no money of the month is taken. An account has ten free: a test keeps them to that.
 */
export const METRICS = {
  /** Queued, planning or preparing. */
  PreparingRuns: state,
  WaitingRuns: state,
  TrainingRuns: state,
  /** Evaluating or registering. */
  FinishingRuns: state,
  /** In their state for longer than that may take. */
  StuckRuns: state,
  /** Of the runs that wait for a machine now, the longest. */
  LongestWaitMinutes: amount,
  /** Of the month's budget: what has been accounted. */
  SpentUsd: amount,
  /** Of the month's budget: what has been accounted, and what open runs may still cost. */
  CommittedUsd: amount,
  /** Of training and evaluation, counted when a job ends. */
  GpuHours: { unit: 'None', statistic: 'Sum' },
  /** Runs that ended through a fault of Roslin's own. */
  InternalFailures: happened,
} as const satisfies Record<string, MetricOf>

export type MetricName = keyof typeof METRICS
export type MetricValues = Readonly<Partial<Record<MetricName, number>>>
