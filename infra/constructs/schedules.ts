import { Duration, Stack } from 'aws-cdk-lib'
import type { ITableV2 } from 'aws-cdk-lib/aws-dynamodb'
import { Rule, Schedule as RuleSchedule, RuleTargetInput } from 'aws-cdk-lib/aws-events'
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets'
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { IBucket } from 'aws-cdk-lib/aws-s3'
import { CfnSchedule, CfnScheduleGroup } from 'aws-cdk-lib/aws-scheduler'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import { ENDED } from '../../core/run.ts'
import { EVENT_SOURCE, RUN_STATUS_CHANGE } from '../../core/run-events.ts'
import { type Schedule, type SchedulerTarget, schedulerProperties } from '../../core/schedule.ts'
import { stopFile } from '../../core/storage-layout.ts'
import type { Compute } from './compute.ts'
import type { Flow } from './flow.ts'
import { type FunctionDefaults, Handler } from './handler.ts'
import { grantTable } from './table-rights.ts'

export interface SchedulesProps {
  readonly team: string
  /** Those of the team's file; others come through the API, into the same group. */
  readonly schedules: readonly Schedule[]
  readonly table: ITableV2
  readonly bucket: IBucket
  readonly flow: Flow
  readonly compute: Compute
  readonly functionDefaults: FunctionDefaults
  readonly deadLetterQueue: IQueue
}

/** A firing plans its run, which reads a data file whole. */
const MEMORY_MIB = 2048
const SWEEP_INTERVAL = Duration.minutes(5)

/** The team's schedules, and the one function that they call: it starts runs whose time has come. */
export class Schedules extends Construct {
  readonly #props: SchedulesProps
  readonly #groupName: string
  readonly #target: SchedulerTarget
  readonly #role: Role

  constructor(scope: Construct, id: string, props: SchedulesProps) {
    super(scope, id)
    const { table, bucket, flow, compute, functionDefaults: defaults, deadLetterQueue } = props
    this.#props = props
    this.#groupName = Stack.of(this).stackName
    const group = new CfnScheduleGroup(this, 'Group', { name: this.#groupName })
    const handler = new Handler(this, 'Fire', {
      entry: 'schedules/fire.ts',
      defaults,
      environment: { STATE_MACHINE_ALIAS_ARN: flow.aliasArn },
      memoryMiB: MEMORY_MIB,
      timeout: Duration.minutes(2),
      deadLetterQueue,
    })
    this.#grantStarting(handler, table, bucket, flow, compute)
    this.#role = new Role(this, 'Role', {
      // A schedule of another team or account must not speak for this one.
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
        conditions: {
          StringEquals: {
            'aws:SourceAccount': Stack.of(this).account,
            'aws:SourceArn': this.#arn('schedule-group'),
          },
        },
      }),
    })
    this.#role.addToPolicy(
      new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [handler.functionArn] }),
    )
    deadLetterQueue.grantSendMessages(this.#role)
    this.#target = {
      functionArn: handler.functionArn,
      roleArn: this.#role.roleArn,
      deadLetterQueueArn: deadLetterQueue.queueArn,
    }
    for (const schedule of props.schedules) this.#add(schedule, group)
    this.#sweep(handler)
  }

  #add(schedule: Schedule, group: CfnScheduleGroup): void {
    const { Target, FlexibleTimeWindow: window, ...properties } = schedulerProperties(schedule, this.#target)
    const resource = new CfnSchedule(this, `Schedule-${schedule.name}`, {
      name: schedule.name,
      groupName: this.#groupName,
      scheduleExpression: properties.ScheduleExpression,
      scheduleExpressionTimezone: properties.ScheduleExpressionTimezone,
      state: properties.State,
      flexibleTimeWindow: {
        mode: window.Mode,
        ...('MaximumWindowInMinutes' in window && { maximumWindowInMinutes: window.MaximumWindowInMinutes }),
      },
      target: {
        arn: Target.Arn,
        roleArn: Target.RoleArn,
        input: Target.Input,
        deadLetterConfig: { arn: Target.DeadLetterConfig.Arn },
        retryPolicy: {
          maximumEventAgeInSeconds: Target.RetryPolicy.MaximumEventAgeInSeconds,
          maximumRetryAttempts: Target.RetryPolicy.MaximumRetryAttempts,
        },
      },
    })
    resource.addResourceDependency(group)
  }

  /** To start runs and to end them, as the API's function may. */
  #grantStarting(handler: Handler, table: ITableV2, bucket: IBucket, flow: Flow, compute: Compute): void {
    grantTable(table, handler, 'start-runs')
    bucket.grantRead(handler)
    bucket.grantPut(handler, `runs/*/${stopFile('*')}`)
    flow.grantControl(handler)
    compute.grantJobControl(handler)
  }

  /** What waited for a run's end goes on with it; what an event lost, a few minutes later. */
  #sweep(handler: Handler): void {
    const target = () =>
      new LambdaFunction(handler, {
        event: RuleTargetInput.fromObject({ sweep: true }),
        deadLetterQueue: this.#props.deadLetterQueue,
        maxEventAge: Duration.hours(1),
        retryAttempts: 5,
      })
    new Rule(this, 'RunEnds', {
      description: 'A run has ended: firings may have waited for it',
      eventPattern: {
        source: [EVENT_SOURCE],
        detailType: [RUN_STATUS_CHANGE],
        detail: { team: [this.#props.team], status: [...ENDED] },
      },
      targets: [target()],
    })
    new Rule(this, 'Sweep', {
      description: 'Goes on with firings that an event was lost of',
      schedule: RuleSchedule.rate(SWEEP_INTERVAL),
      targets: [target()],
    })
  }

  /** To have the function called at a time: no more than that function, by no other role. */
  grantScheduling(handler: Handler): void {
    handler.addEnvironment('SCHEDULE_GROUP_NAME', this.#groupName)
    handler.addEnvironment('SCHEDULE_FUNCTION_ARN', this.#target.functionArn)
    handler.addEnvironment('SCHEDULE_ROLE_ARN', this.#target.roleArn)
    handler.addEnvironment('SCHEDULE_DEAD_LETTER_QUEUE_ARN', this.#target.deadLetterQueueArn)
    handler.addToRolePolicy(
      new PolicyStatement({
        actions: ['scheduler:CreateSchedule'],
        resources: [this.#arn('schedule', '/*')],
      }),
    )
    handler.addToRolePolicy(
      new PolicyStatement({
        actions: ['iam:PassRole'],
        resources: [this.#role.roleArn],
        conditions: { StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' } },
      }),
    )
  }

  /** Besides, to look at the team's schedules, change them and delete them. */
  grantManaging(handler: Handler): void {
    this.grantScheduling(handler)
    handler.addToRolePolicy(
      new PolicyStatement({
        actions: ['scheduler:GetSchedule', 'scheduler:UpdateSchedule', 'scheduler:DeleteSchedule'],
        resources: [this.#arn('schedule', '/*')],
      }),
    )
    // Listing knows no resources; the names of other teams' schedules are all that it shows.
    handler.addToRolePolicy(new PolicyStatement({ actions: ['scheduler:ListSchedules'], resources: ['*'] }))
  }

  #arn(resource: 'schedule' | 'schedule-group', suffix = ''): string {
    return Stack.of(this).formatArn({
      service: 'scheduler',
      resource,
      resourceName: `${this.#groupName}${suffix}`,
    })
  }
}
