import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { METRIC_NAMESPACE, METRICS } from '../../core/metrics.ts'
import { root } from '../support/checked-in.ts'
import { everyCapacity, onlyResource, resourcesOf, synthesise } from '../support/stacks.ts'

const team = {
  ...everyCapacity,
  budget: { monthlyUsd: 5000 },
  alarms: { runbook: 'https://wiki.example.com/roslin' },
}
const { controlPlane } = synthesise(team)
const page = readFileSync(join(root, 'docs/operations.md'), 'utf8')
const idOf = (pattern: RegExp) => resourcesOf(controlPlane).find(([id]) => pattern.test(id))?.[0]
const reconciler = { Name: 'FunctionName', Value: { Ref: idOf(/^ReconcilerHandler[0-9A-F]{8}$/) } }
const own = { Name: 'team', Value: 'speech' }

const alarms = new Map(
  resourcesOf(controlPlane, 'AWS::CloudWatch::Alarm').map(([id, { Properties }]) => [
    /^MonitoringAlarms(\w+)[0-9A-F]{8}$/.exec(id)?.[1] ?? id,
    Properties,
  ]),
)

describe('the alarms', () => {
  const GREATER = 'GreaterThanOrEqualToThreshold'
  it.each([
    ['StuckRuns', 'Roslin', 'StuckRuns', own, GREATER, 1, [2, 3], 'notBreaching'],
    ['InternalFailures', 'Roslin', 'InternalFailures', own, GREATER, 1, [1, 1], 'notBreaching'],
    ['ReconcilerErrors', 'AWS/Lambda', 'Errors', reconciler, GREATER, 1, [2, 3], 'notBreaching'],
    [
      'ReconcilerSilent',
      'AWS/Lambda',
      'Invocations',
      reconciler,
      'LessThanThreshold',
      1,
      [3, 3],
      'breaching',
    ],
    [
      'DeadLetters',
      'AWS/SQS',
      'ApproximateNumberOfMessagesVisible',
      { Name: 'QueueName', Value: { 'Fn::GetAtt': [idOf(/^EventsDeadLetters[0-9A-F]{8}$/), 'QueueName'] } },
      GREATER,
      1,
      [1, 1],
      'notBreaching',
    ],
    [
      'ChangesLate',
      'AWS/Lambda',
      'IteratorAge',
      { Name: 'FunctionName', Value: { Ref: idOf(/^EventsTableChanged[0-9A-F]{8}$/) } },
      GREATER,
      900_000,
      [1, 1],
      'notBreaching',
    ],
    [
      'ApiErrors',
      'AWS/ApiGateway',
      '5xx',
      { Name: 'ApiId', Value: { Ref: idOf(/^ApiHttpApi[0-9A-F]{8}$/) } },
      GREATER,
      3,
      [1, 1],
      'notBreaching',
    ],
    ['BudgetNearlyTaken', 'Roslin', 'CommittedUsd', own, GREATER, 4000, [1, 1], 'notBreaching'],
    ['BudgetSpent', 'Roslin', 'SpentUsd', own, GREATER, 5000, [1, 1], 'notBreaching'],
  ] as const)(
    '%s watches %s %s',
    (name, Namespace, MetricName, dimension, comparison, Threshold, periods, missing) => {
      expect(alarms.get(name)).toMatchObject({
        Namespace,
        MetricName,
        Dimensions: [dimension],
        ComparisonOperator: comparison,
        Threshold,
        DatapointsToAlarm: periods[0],
        EvaluationPeriods: periods[1],
        TreatMissingData: missing,
        Period: 300,
      })
    },
  )

  it('are all of these, and no more than an account has free', () => {
    expect(alarms.size).toBe(9)
  })

  it('watch no metric of ours that nothing emits', () => {
    const ours = [...alarms.values()].filter(({ Namespace }) => Namespace === METRIC_NAMESPACE)
    for (const { MetricName, Statistic } of ours) {
      expect(METRICS).toHaveProperty(MetricName)
      expect(Statistic).toBe(METRICS[MetricName as keyof typeof METRICS].statistic)
    }
  })

  it.each([...alarms])(
    '%s links to a heading of the runbook that has numbered steps',
    (_, { AlarmDescription }) => {
      const [, anchor = ''] = /https:\/\/wiki\.example\.com\/roslin#([\w-]+)$/.exec(AlarmDescription) ?? []
      const heading = `### ${anchor.replaceAll('-', ' ').replace(/^./, (letter) => letter.toUpperCase())}\n`
      expect(page).toContain(heading)
      expect(page.split(heading)[1]?.split('\n#')[0]).toMatch(/^1\. /m)
    },
  )

  it("tell the team's topic, which lets CloudWatch of this account publish, and nobody else's", () => {
    const [[topic] = []] = resourcesOf(controlPlane, 'AWS::SNS::Topic')
    for (const { AlarmActions } of alarms.values()) expect(AlarmActions).toEqual([{ Ref: topic }])
    const { Statement } = onlyResource(controlPlane, 'AWS::SNS::TopicPolicy').Properties.PolicyDocument
    expect(Statement).toContainEqual(
      expect.objectContaining({
        Effect: 'Allow',
        Action: 'sns:Publish',
        Principal: { Service: 'cloudwatch.amazonaws.com' },
        Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
      }),
    )
  })
})

describe('the dashboard', () => {
  // Its body is one text around references.
  const { DashboardBody } = onlyResource(controlPlane, 'AWS::CloudWatch::Dashboard').Properties
  const text = DashboardBody['Fn::Join'][1]
    .map((part: unknown) => (typeof part === 'string' ? part : 'REF'))
    .join('')
  const { widgets } = JSON.parse(text)
  const titles = widgets.map(({ properties }: { properties: { title?: string } }) => properties.title)
  const metricsOf = (title: string) => JSON.stringify(widgets[titles.indexOf(title)].properties.metrics)

  it('shows what operators ask for', () => {
    expect(titles).toEqual([
      undefined,
      'Open runs by state',
      'Longest wait for a machine, minutes',
      'Runs that ended',
      'Failed runs by class',
      "The month's spending, USD",
      'GPU hours a day',
      'Wait of jobs that got a machine',
      "The reconciler's repairs",
      'API latency, ms',
      'API answers',
      'Errors of functions',
      'Reconciler, dead letters, lateness of changes',
    ])
    expect(metricsOf('API latency, ms')).toMatch(/p50.*p99/)
    expect(metricsOf('API answers')).toContain('5xx')
    for (const name of Object.keys(METRICS).filter((metric) => metric !== 'InternalFailures')) {
      expect(text).toContain(`"Roslin","${name}","team","speech"`)
    }
  })

  it('has the budget as a line, and every function’s errors', () => {
    const money = widgets[titles.indexOf("The month's spending, USD")].properties
    expect(money.annotations.horizontal).toMatchObject([{ value: 5000, label: 'budget.monthlyUsd' }])
    const { metrics } = widgets[titles.indexOf('Errors of functions')].properties
    expect(metrics).toHaveLength(resourcesOf(controlPlane, 'AWS::Lambda::Function').length)
  })

  it('stays within what an account has free: fifty metrics', () => {
    const metrics = widgets.flatMap(
      ({ properties }: { properties: { metrics?: [] } }) => properties.metrics ?? [],
    )
    expect(metrics.length).toBeLessThanOrEqual(50)
  })
})

describe('a team', () => {
  it('may have no alarms and no dashboard; the queries cost nothing', () => {
    const bare = synthesise({ ...everyCapacity, alarms: { enabled: false }, dashboard: false }).controlPlane
    expect(resourcesOf(bare, 'AWS::CloudWatch::Alarm')).toEqual([])
    expect(resourcesOf(bare, 'AWS::CloudWatch::Dashboard')).toEqual([])
    expect(resourcesOf(bare, 'AWS::Logs::QueryDefinition').length).toBeGreaterThan(0)
  })

  it('without a budget has no alarm about one', () => {
    const names = resourcesOf(synthesise().controlPlane, 'AWS::CloudWatch::Alarm').map(([id]) => id)
    expect(names.filter((id) => id.includes('Budget'))).toEqual([])
    expect(names).toHaveLength(7)
  })
})

describe('the saved queries', () => {
  const queries = resourcesOf(controlPlane, 'AWS::Logs::QueryDefinition').map(
    ([, { Properties }]) => Properties,
  )

  it('are the files of docs/queries, each of which the documentation lists', () => {
    const files = globSync('*.insights', { cwd: join(root, 'docs/queries') }).map((file) =>
      file.replace(/\.\w+$/, ''),
    )
    expect(queries.map(({ Name }) => Name).sort()).toEqual(
      files.map((file) => `Roslin-speech-ControlPlane/${file}`).sort(),
    )
    for (const file of files) expect(page).toContain(`queries/${file}.insights`)
  })

  it('ask each at least one log group of the team’s', () => {
    const groups = resourcesOf(controlPlane, 'AWS::Logs::LogGroup').map(([id]) => id)
    for (const { LogGroupNames, QueryString } of queries) {
      expect(LogGroupNames.length).toBeGreaterThan(0)
      for (const { Ref } of LogGroupNames) expect(groups).toContain(Ref)
      expect(QueryString).not.toContain('#')
    }
    const all = queries.find(({ Name }) => Name.endsWith('/one-run'))
    // All but the API's access log, which knows no runs.
    expect(all.LogGroupNames).toHaveLength(groups.length - 1)
  })
})
