import { Duration, Validations } from 'aws-cdk-lib'
import type { ITableV2 } from 'aws-cdk-lib/aws-dynamodb'
import { EventBus, Match, Rule } from 'aws-cdk-lib/aws-events'
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets'
import { StartingPosition } from 'aws-cdk-lib/aws-lambda'
import { DynamoEventSource, SqsDlq } from 'aws-cdk-lib/aws-lambda-event-sources'
import type { IBucket } from 'aws-cdk-lib/aws-s3'
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs'
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions'
import { Construct } from 'constructs'
import { machineFile } from '../../core/storage-layout.ts'
import type { Compute } from './compute.ts'
import { type FunctionDefaults, Handler } from './handler.ts'
import { grantTable } from './table-rights.ts'

export interface EventsProps {
  readonly table: ITableV2
  readonly bucket: IBucket
  readonly compute: Compute
  readonly stateMachine: IStateMachine
  readonly functionDefaults: FunctionDefaults
}

/** What AWS reports of the team's jobs and executions, written into the runs. What cannot be, waits in the dead-letter queue. */
export class Events extends Construct {
  readonly deadLetterQueue: Queue
  readonly batchJob: Handler
  readonly tableChanged: Handler

  constructor(
    scope: Construct,
    id: string,
    { table, bucket, compute, stateMachine, functionDefaults: defaults }: EventsProps,
  ) {
    super(scope, id)
    const deadLetterQueue = new Queue(this, 'DeadLetters', {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    })
    Validations.of(deadLetterQueue).acknowledge({
      id: 'AwsSolutions-SQS3',
      reason: 'It is the dead-letter queue.',
    })
    this.deadLetterQueue = deadLetterQueue
    const writing = (handlerId: string, entry: string) => {
      const handler = new Handler(this, handlerId, { entry, defaults, deadLetterQueue })
      grantTable(table, handler, 'change-runs')
      return handler
    }
    const deliverTo = (handler: Handler) =>
      new LambdaFunction(handler, { deadLetterQueue, maxEventAge: Duration.hours(2), retryAttempts: 10 })
    this.batchJob = writing('BatchJob', 'events/batch-job.ts')
    bucket.grantRead(this.batchJob, `runs/*/${machineFile('*')}`)
    // An event of one node tells nothing of the others.
    compute.grantDescribeJobs(this.batchJob)

    new Rule(this, 'BatchJobRule', {
      description: 'State changes of the jobs in the team’s queues, and why they wait',
      eventPattern: {
        source: ['aws.batch'],
        detailType: ['Batch Job State Change', 'Batch Job Queue Blocked'],
        detail: {
          jobQueue: compute.jobQueues.map(({ jobQueueArn }) => jobQueueArn),
          parameters: { runId: Match.exists() },
        },
      },
      targets: [deliverTo(this.batchJob)],
    })
    new Rule(this, 'ExecutionRule', {
      description: 'Executions of the team’s flow that ended badly',
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: {
          stateMachineArn: [stateMachine.stateMachineArn],
          status: ['FAILED', 'TIMED_OUT', 'ABORTED'],
        },
      },
      targets: [deliverTo(writing('Execution', 'events/execution.ts'))],
    })
    this.tableChanged = this.#announceChanges(table, defaults)
  }

  /** The table's stream, sent to the account's default bus as events of runs and budgets. */
  #announceChanges(table: ITableV2, defaults: FunctionDefaults): Handler {
    const handler = new Handler(this, 'TableChanged', { entry: 'events/table-changed.ts', defaults })
    handler.addEventSource(
      new DynamoEventSource(table, {
        startingPosition: StartingPosition.TRIM_HORIZON,
        batchSize: 100,
        // One that cannot be announced keeps no others back.
        bisectBatchOnError: true,
        retryAttempts: 20,
        onFailure: new SqsDlq(this.deadLetterQueue),
      }),
    )
    EventBus.fromEventBusName(this, 'DefaultBus', 'default').grantPutEventsTo(handler)
    return handler
  }
}
