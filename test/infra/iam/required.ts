import type { Request } from '../../support/iam.ts'
import type { Team } from './teams.ts'

/** What each role of a team does, from what its code calls: lambdas/ and containers/trainer. */
export function requiredRequests(own: Team): Readonly<Record<string, readonly Request[]>> {
  const on = (resource: string, ...actions: string[]): Request[] =>
    actions.map((action) => ({ action, resource }))
  const byJob = (...actions: string[]): Request[] => actions.map((action) => ({ action, ...own.job }))

  const log = (group: string) =>
    on(`${own.arn(group).slice(0, -1)}log-stream:2026/01/01`, 'logs:PutLogEvents')
  const TRACES = on('*', 'xray:PutTraceSegments', 'xray:PutTelemetryRecords')
  const DEAD_LETTER = on(own.arn('EventsDeadLetters'), 'sqs:SendMessage')

  /** core/store: a run is read as a collection; each write is one item or a transaction of puts and updates. */
  const READ_RUNS = [
    ...on(own.table, 'dynamodb:Query'),
    { action: 'kms:Decrypt', ...own.keyThrough('dynamodb') },
  ]
  const WRITE_RUNS = [...READ_RUNS, ...on(own.table, 'dynamodb:UpdateItem')]
  /** lambdas/settle.ts: the run, the team's month, the team's open runs. */
  const SETTLE = WRITE_RUNS
  const OPEN_RUNS = on(`${own.table}/index/gsi2`, 'dynamodb:Query')
  const START_RUN = [
    ...SETTLE,
    ...on(own.table, 'dynamodb:GetItem', 'dynamodb:PutItem'),
    ...on(own.bucket, 's3:ListBucket'),
    ...on(own.object('uploads/ab/rows.json'), 's3:GetObject'),
    ...on(own.object('my-models/gpt-j/config.json'), 's3:GetObject'),
    ...on(own.liveAlias, 'states:StartExecution'),
  ]
  const CANCEL_RUN = [
    ...SETTLE,
    ...on(own.object('runs/01JRUN/stops/job.json'), 's3:PutObject'),
    ...on(own.execution, 'states:StopExecution'),
    ...byJob('batch:TerminateJob'),
  ]
  const PASS_SCHEDULE_ROLE: Request = {
    action: 'iam:PassRole',
    resource: own.arn('SchedulesRole'),
    context: { 'iam:PassedToService': 'scheduler.amazonaws.com' },
  }
  const CALL_AT = [...on(own.schedule, 'scheduler:CreateSchedule'), PASS_SCHEDULE_ROLE]
  /** lambdas/triggers/open-window.ts: a window of no minutes starts its run at once. */
  const OPEN_WINDOW = [...START_RUN, ...CALL_AT]
  const read = (...keys: string[]) => [
    // Without the right to list, what is not there is forbidden instead of absent.
    ...on(own.bucket, 's3:ListBucket'),
    ...keys.flatMap((key) => on(own.object(key), 's3:GetObject')),
    { action: 'kms:Decrypt', ...own.keyThrough('s3') },
  ]
  /** A file of more than 64 MiB goes up in parts. */
  const write = (...keys: string[]) => [
    ...keys.flatMap((key) => on(own.object(key), 's3:PutObject', 's3:AbortMultipartUpload')),
    { action: 'kms:GenerateDataKey', ...own.keyThrough('s3') },
    // The parts are put together again.
    { action: 'kms:Decrypt', ...own.keyThrough('s3') },
  ]

  return {
    ApiHandlerRole: [
      ...OPEN_WINDOW,
      ...CANCEL_RUN,
      ...OPEN_RUNS,
      ...['gsi1', 'gsi3', 'gsi4', 'gsi5'].flatMap((index) =>
        on(`${own.table}/index/${index}`, 'dynamodb:Query'),
      ),
      ...read('runs/01JRUN/metrics.json', 'runs/01JRUN/plan.json'),
      ...write('uploads/ab/rows.json', 'incoming/flock/ab/rows.jsonl', 'datasets/flock/ab/rows.jsonl'),
      ...on(own.execution, 'states:DescribeExecution'),
      ...on(own.schedule, 'scheduler:GetSchedule', 'scheduler:UpdateSchedule', 'scheduler:DeleteSchedule'),
      ...on('*', 'scheduler:ListSchedules', 'batch:DescribeJobs'),
      ...on(own.gpuQueue, 'batch:GetJobQueueSnapshot'),
      ...on('arn:aws:servicequotas:us-east-1:111122223333:ec2/L-417A185B', 'servicequotas:GetServiceQuota'),
      ...on(own.jobLogStream, 'logs:GetLogEvents'),
      ...log('ApiHandlerLogs'),
      ...TRACES,
    ],
    FlowPlanRole: [
      ...WRITE_RUNS,
      ...read('uploads/ab/rows.json', 'my-data/rows.jsonl', 'runs/01JRUN/plan.json'),
      ...write('runs/01JRUN/plan-1.json'),
      ...log('FlowPlanLogs'),
      ...TRACES,
    ],
    FlowClassifyRole: [
      ...on('*', 'batch:DescribeJobs'),
      ...WRITE_RUNS,
      ...read('runs/01JRUN/plan.json', 'runs/01JRUN/error.json'),
      ...log('FlowClassifyLogs'),
      ...TRACES,
    ],
    FlowRegisterRole: [
      ...SETTLE,
      ...on(own.table, 'dynamodb:PutItem'),
      ...read('runs/01JRUN/plan.json', 'runs/01JRUN/metrics.json', 'models/dolly/01JRUN/manifest.json'),
      ...log('FlowRegisterLogs'),
      ...TRACES,
    ],
    FlowFailRole: [
      ...on('*', 'batch:DescribeJobs'),
      ...SETTLE,
      ...on(own.table, 'dynamodb:PutItem'),
      ...read('runs/01JRUN/error.json', 'runs/01JRUN/plan.json'),
      ...log('FlowFailLogs'),
      ...TRACES,
    ],
    FlowStateMachineRole: [
      ...['FlowPlan', 'FlowClassify', 'FlowRegister', 'FlowFail'].flatMap((id) =>
        on(own.arn(id), 'lambda:InvokeFunction'),
      ),
      ...on(own.gpuQueue, 'batch:SubmitJob'),
      ...on(own.arn('ComputeCpuQueue'), 'batch:SubmitJob'),
      ...on(own.arn('JobstrainDefinition'), 'batch:SubmitJob'),
      // A plan may hold an earlier or a later revision.
      ...on(own.arn('JobsevaluateDefinition').replace(/:1$/, ':7'), 'batch:SubmitJob'),
      ...byJob('batch:TagResource', 'batch:TerminateJob'),
      ...on('*', 'batch:DescribeJobs', 'logs:CreateLogDelivery', 'xray:PutTraceSegments'),
      ...on(
        'arn:aws:events:us-east-1:111122223333:rule/StepFunctionsGetEventsForBatchJobsRule',
        'events:PutTargets',
        'events:PutRule',
        'events:DescribeRule',
      ),
    ],
    JobsprepareRole: [
      ...read(
        'uploads/ab/rows.json',
        'my-data/rows.jsonl',
        'my-models/gpt-j/config.json',
        'runs/01JRUN/plan.json',
      ),
      ...write('base-models/ab/manifest.json', 'prepared/ab/rows.parquet', 'runs/01JRUN/statistics.json'),
      ...on(own.object('runs/01JRUN/error.json'), 's3:DeleteObject'),
    ],
    JobstrainRole: [
      ...read(
        'base-models/ab/model.safetensors',
        'prepared/ab/rows.parquet',
        'runs/01JRUN/checkpoints/1/optimizer',
      ),
      ...write('runs/01JRUN/checkpoints/1/optimizer', 'models/dolly/01JRUN/model.safetensors'),
      ...on(own.object('runs/01JRUN/checkpoints/1/optimizer'), 's3:DeleteObject'),
      ...on('*', 'ec2:DescribeSpotPriceHistory'),
    ],
    JobsevaluateRole: [
      ...read(
        'base-models/ab/model.safetensors',
        'models/dolly/01JRUN/model.safetensors',
        'prepared/ab/rows.parquet',
      ),
      ...write('runs/01JRUN/evaluation.json'),
      ...on(own.object('runs/01JRUN/error.json'), 's3:DeleteObject'),
      ...on('*', 'ec2:DescribeSpotPriceHistory'),
    ],
    JobsExecutionRole: [
      ...on(own.jobLogStream, 'logs:CreateLogStream', 'logs:PutLogEvents'),
      ...on(
        own.arn('Images'),
        'ecr:BatchGetImage',
        'ecr:GetDownloadUrlForLayer',
        'ecr:BatchCheckLayerAvailability',
      ),
      ...on('*', 'ecr:GetAuthorizationToken'),
      ...on(own.secret('hugging-face'), 'secretsmanager:GetSecretValue'),
    ],
    ComputeInstanceRole: on('*', 'ecr:GetAuthorizationToken', 'ecs:DiscoverPollEndpoint'),
    EventsBatchJobRole: [
      ...on('*', 'batch:DescribeJobs'),
      ...SETTLE,
      ...read('runs/01JRUN/machines/job.json'),
      ...DEAD_LETTER,
      ...log('EventsBatchJobLogs'),
      ...TRACES,
    ],
    EventsExecutionRole: [...SETTLE, ...DEAD_LETTER, ...log('EventsExecutionLogs'), ...TRACES],
    EventsTableChangedRole: [
      ...on(
        `${own.table}/stream/2026-01-01T00:00:00.000`,
        'dynamodb:GetRecords',
        'dynamodb:GetShardIterator',
        'dynamodb:DescribeStream',
      ),
      { action: 'kms:Decrypt', ...own.keyThrough('dynamodb') },
      ...on('arn:aws:events:us-east-1:111122223333:event-bus/default', 'events:PutEvents'),
      ...DEAD_LETTER,
      ...log('EventsTableChangedLogs'),
      ...TRACES,
    ],
    ReconcilerHandlerRole: [
      ...SETTLE,
      ...on(own.table, 'dynamodb:GetItem'),
      ...OPEN_RUNS,
      ...read('runs/01JRUN/machines/job.json'),
      ...on(own.liveAlias, 'states:StartExecution'),
      ...on(own.execution, 'states:DescribeExecution', 'states:StopExecution'),
      ...on('*', 'batch:DescribeJobs', 'batch:ListJobs'),
      ...byJob('batch:TerminateJob'),
      ...DEAD_LETTER,
      ...log('ReconcilerHandlerLogs'),
      ...TRACES,
    ],
    SchedulesFireRole: [
      ...START_RUN,
      ...CANCEL_RUN,
      ...OPEN_RUNS,
      ...read('runs/01JRUN/plan.json'),
      ...DEAD_LETTER,
      ...log('SchedulesFireLogs'),
      ...TRACES,
    ],
    SchedulesRole: [...on(own.arn('SchedulesFire'), 'lambda:InvokeFunction'), ...DEAD_LETTER],
    TriggersObjectCreatedRole: [
      ...OPEN_WINDOW,
      ...read('incoming/flock/rows.jsonl'),
      ...write('datasets/flock/ab/rows.jsonl'),
      ...DEAD_LETTER,
      ...log('TriggersObjectCreatedLogs'),
      ...TRACES,
    ],
    TriggersModelRegisteredRole: [
      ...OPEN_WINDOW,
      ...DEAD_LETTER,
      ...log('TriggersModelRegisteredLogs'),
      ...TRACES,
    ],
    PeopleOperatorsRole: [
      ...on(own.route('GET/v1/runs'), 'execute-api:Invoke'),
      ...on(own.route('POST/v1/runs/01JRUN/cancel'), 'execute-api:Invoke'),
      ...on(own.route('DELETE/v1/schedules/nightly'), 'execute-api:Invoke'),
      ...on(own.controlPlane, 'cloudformation:DescribeStacks'),
    ],
    PeopleViewersRole: [
      ...on(own.route('GET/v1/runs/01JRUN/logs'), 'execute-api:Invoke'),
      ...on(own.controlPlane, 'cloudformation:DescribeStacks'),
    ],
    NotificationsWebhookRole: [
      ...on(own.secret('webhook'), 'secretsmanager:GetSecretValue'),
      ...DEAD_LETTER,
      ...log('NotificationsWebhookLogs'),
      ...TRACES,
    ],
  }
}
