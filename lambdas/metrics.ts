import { Metrics } from '@aws-lambda-powertools/metrics'
import { METRIC_NAMESPACE, METRICS, type MetricName, type MetricValues } from '../core/metrics.ts'
import { variable } from './environment.ts'

const metrics = new Metrics({ namespace: METRIC_NAMESPACE })
// Without the library's own dimension `service`: one dimension, one metric for each name.
metrics.clearDefaultDimensions()
metrics.setDefaultDimensions({ team: variable('TEAM') })

/** One log line, out of which CloudWatch takes the metrics (embedded metric format). */
export function publish(values: MetricValues): void {
  const entries = Object.entries(values) as [MetricName, number][]
  if (entries.length === 0) return
  for (const [name, value] of entries) metrics.addMetric(name, METRICS[name].unit, value)
  metrics.publishStoredMetrics()
}
