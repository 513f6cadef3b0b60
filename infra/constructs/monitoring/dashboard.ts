import { Duration } from 'aws-cdk-lib'
import {
  Color,
  Dashboard,
  GraphWidget,
  type IMetric,
  type IWidget,
  LogQueryVisualizationType,
  LogQueryWidget,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch'
import { Construct } from 'constructs'
import type { MetricName } from '../../../core/metrics.ts'
import type { Team } from '../../../core/team.ts'
import type { Watched } from './monitoring.ts'
import { logGroupNames, type QueryName, queryText, type TeamLogs } from './queries.ts'
import { teamMetric } from './team-metric.ts'

export interface TeamDashboardProps {
  readonly team: Team
  readonly watched: Watched
  readonly logs: TeamLogs
}

/** An account has three dashboards free, each of at most fifty metrics. */
export class TeamDashboard extends Construct {
  constructor(scope: Construct, id: string, props: TeamDashboardProps) {
    super(scope, id)
    new Dashboard(this, 'Dashboard', {
      defaultInterval: Duration.days(7),
      widgets: [
        [new TextWidget({ markdown: `# Roslin, team ${props.team.name}`, width: 24, height: 1 })],
        runWidgets(props),
        moneyWidgets(props),
        controlPlaneWidgets(props.watched),
      ],
    })
  }
}

function runWidgets({ team, logs }: TeamDashboardProps): IWidget[] {
  const runs = (name: MetricName, label: string) => teamMetric(team.name, name, { label })
  return [
    graph('Open runs by state', [
      runs('PreparingRuns', 'queued, planning, preparing'),
      runs('WaitingRuns', 'waiting'),
      runs('TrainingRuns', 'training'),
      runs('FinishingRuns', 'evaluating, registering'),
      runs('StuckRuns', 'stuck'),
    ]),
    graph('Longest wait for a machine, minutes', [runs('LongestWaitMinutes', 'of those that wait now')]),
    table('Runs that ended', 'runs-ended', logs),
    table('Failed runs by class', 'failures-by-class', logs),
  ]
}

function moneyWidgets({ team, logs }: TeamDashboardProps): IWidget[] {
  const { monthlyUsd } = team.budget
  const limit = { value: monthlyUsd ?? 0, label: 'budget.monthlyUsd', color: Color.RED }
  const usd = (name: MetricName, label: string) => teamMetric(team.name, name, { label })
  const day = Duration.days(1)
  return [
    new GraphWidget({
      title: "The month's spending, USD",
      left: [usd('SpentUsd', 'spent'), usd('CommittedUsd', 'spent and reserved')],
      ...(monthlyUsd && { leftAnnotations: [limit] }),
      leftYAxis: { min: 0 },
    }),
    graph('GPU hours a day', [
      teamMetric(team.name, 'GpuHours', { label: 'of jobs that ended', period: day }),
    ]),
    table('Wait of jobs that got a machine', 'queue-wait', logs),
    table("The reconciler's repairs", 'repairs', logs),
  ]
}

function controlPlaneWidgets({
  reconciler,
  tableChanged,
  deadLetterQueue,
  httpApi,
  functions,
}: Watched): IWidget[] {
  const latency = (statistic: string) => httpApi.metricLatency({ statistic, label: statistic })
  return [
    graph('API latency, ms', [latency('p50'), latency('p99')]),
    graph('API answers', [
      httpApi.metricCount({ label: 'all', statistic: 'Sum' }),
      httpApi.metricClientError({ label: '4xx', statistic: 'Sum' }),
      httpApi.metricServerError({ label: '5xx', statistic: 'Sum' }),
    ]),
    graph(
      'Errors of functions',
      functions.map((each) => each.metricErrors({ label: each.node.path.split('/').slice(-2).join(' ') })),
    ),
    graph('Reconciler, dead letters, lateness of changes', [
      reconciler.metricInvocations({ label: 'reconciler ran' }),
      reconciler.metricErrors({ label: 'reconciler failed' }),
      deadLetterQueue.metricApproximateNumberOfMessagesVisible({
        label: 'dead letters',
        statistic: 'Maximum',
      }),
      tableChanged.metric('IteratorAge', { label: 'lateness, ms', statistic: 'Maximum' }),
    ]),
  ]
}

function graph(title: string, left: IMetric[]): GraphWidget {
  return new GraphWidget({ title, left, leftYAxis: { min: 0 } })
}

/** Asked of the logs whenever somebody looks: no metric for each class. */
function table(title: string, query: QueryName, logs: TeamLogs): LogQueryWidget {
  return new LogQueryWidget({
    title,
    view: LogQueryVisualizationType.TABLE,
    logGroupNames: logGroupNames(query, logs),
    queryString: queryText(query),
  })
}
