import { Duration } from 'aws-cdk-lib'
import { Metric, type MetricOptions } from 'aws-cdk-lib/aws-cloudwatch'
import { METRIC_NAMESPACE, METRICS, type MetricName } from '../../../core/metrics.ts'

/** One of the team's own metrics, which lambdas/metrics.ts emits. */
export function teamMetric(team: string, name: MetricName, options: MetricOptions = {}): Metric {
  return new Metric({
    namespace: METRIC_NAMESPACE,
    metricName: name,
    dimensionsMap: { team },
    statistic: METRICS[name].statistic,
    period: Duration.minutes(5),
    ...options,
  })
}
