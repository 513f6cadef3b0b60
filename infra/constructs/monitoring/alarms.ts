import { Duration, Stack } from 'aws-cdk-lib'
import { type Alarm, ComparisonOperator, type Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import { Construct } from 'constructs'
import type { Team } from '../../../core/team.ts'
import type { Watched } from './monitoring.ts'
import { teamMetric } from './team-metric.ts'

interface AlarmSpec {
  /** What is wrong, in a sentence. */
  readonly says: string
  /** The heading of docs/operations.md that says what to do. */
  readonly runbook: string
  readonly metric: Metric
  readonly threshold: number
  readonly comparison?: ComparisonOperator
  /** So many of so many periods; one of one. */
  readonly periods?: readonly [bad: number, of: number]
  readonly missing?: TreatMissingData
}

/** Each watches one metric: an alarm costs $0.10 a month for each, and an account has ten free. */
export class Alarms extends Construct {
  constructor(
    scope: Construct,
    id: string,
    props: { readonly team: Team; readonly topic: ITopic; readonly watched: Watched },
  ) {
    super(scope, id)
    const { team, topic, watched } = props
    for (const [name, spec] of Object.entries(alarmsOf(team, watched))) {
      this.#alarm(name, spec, team).addAlarmAction(new SnsAction(topic))
    }
    // The topic has a policy of its own, and with that no rights by default.
    topic.grantPublish(
      new ServicePrincipal('cloudwatch.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    )
  }

  #alarm(name: string, spec: AlarmSpec, { name: team, alarms }: Team): Alarm {
    const { says, runbook, metric, threshold, comparison, missing } = spec
    const [datapointsToAlarm, evaluationPeriods] = spec.periods ?? [1, 1]
    return metric.createAlarm(this, name, {
      alarmDescription: `Roslin, team ${team}: ${says} What to do: ${alarms.runbook}#${runbook}`,
      threshold,
      comparisonOperator: comparison ?? ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      datapointsToAlarm,
      evaluationPeriods,
      // No run, no request, no message: no value, and nothing wrong.
      treatMissingData: missing ?? TreatMissingData.NOT_BREACHING,
    })
  }
}

function alarmsOf(
  team: Team,
  { reconciler, tableChanged, deadLetterQueue, httpApi }: Watched,
): Record<string, AlarmSpec> {
  const { monthlyUsd } = team.budget
  const { budgetPercent } = team.alarms
  const period = Duration.minutes(5)
  return {
    StuckRuns: {
      says: 'a run has been in one state for longer than that may take.',
      runbook: 'stuck-runs',
      metric: teamMetric(team.name, 'StuckRuns'),
      threshold: 1,
      // One that moves on by itself is not worth a message.
      periods: [2, 3],
    },
    InternalFailures: {
      says: 'a run ended through a fault of Roslin’s own.',
      runbook: 'internal-failures',
      metric: teamMetric(team.name, 'InternalFailures'),
      threshold: 1,
    },
    ReconcilerErrors: {
      says: 'the reconciler fails.',
      runbook: 'reconciler-errors',
      metric: reconciler.metricErrors({ period }),
      threshold: 1,
      periods: [2, 3],
    },
    ReconcilerSilent: {
      says: 'the reconciler, due every five minutes, has not run for a quarter of an hour.',
      runbook: 'reconciler-silent',
      metric: reconciler.metricInvocations({ period }),
      threshold: 1,
      comparison: ComparisonOperator.LESS_THAN_THRESHOLD,
      periods: [3, 3],
      missing: TreatMissingData.BREACHING,
    },
    DeadLetters: {
      says: 'an event could not be taken in, and waits in the dead-letter queue.',
      runbook: 'dead-letters',
      metric: deadLetterQueue.metricApproximateNumberOfMessagesVisible({ period, statistic: 'Maximum' }),
      threshold: 1,
    },
    ChangesLate: {
      says: 'changes of runs are announced a quarter of an hour late or more: events and notifications too.',
      runbook: 'changes-late',
      metric: tableChanged.metric('IteratorAge', { period, statistic: 'Maximum' }),
      threshold: Duration.minutes(15).toMilliseconds(),
    },
    ApiErrors: {
      says: 'the API answered three requests or more in five minutes with a fault of its own.',
      runbook: 'api-errors',
      metric: httpApi.metricServerError({ period, statistic: 'Sum' }),
      threshold: 3,
    },
    ...(monthlyUsd && {
      BudgetNearlyTaken: {
        says: `${budgetPercent} % of the month’s $${monthlyUsd} are spent or reserved.`,
        runbook: 'budget-nearly-taken',
        metric: teamMetric(team.name, 'CommittedUsd'),
        threshold: (monthlyUsd * budgetPercent) / 100,
      },
      BudgetSpent: {
        says: `the month’s $${monthlyUsd} are spent.`,
        runbook: 'budget-spent',
        metric: teamMetric(team.name, 'SpentUsd'),
        threshold: monthlyUsd,
      },
    }),
  }
}
