import { Duration } from 'aws-cdk-lib'
import type { ITableV2 } from 'aws-cdk-lib/aws-dynamodb'
import { Rule, Schedule } from 'aws-cdk-lib/aws-events'
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets'
import type { IBucket } from 'aws-cdk-lib/aws-s3'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import { machineFile } from '../../core/storage-layout.ts'
import type { Compute } from './compute.ts'
import type { Flow } from './flow.ts'
import { type FunctionDefaults, Handler } from './handler.ts'
import { grantTable } from './table-rights.ts'

export interface ReconcilerProps {
  readonly table: ITableV2
  readonly bucket: IBucket
  readonly compute: Compute
  readonly flow: Flow
  readonly functionDefaults: FunctionDefaults
  readonly deadLetterQueue: IQueue
  readonly stuckRunMinutes: number
}

const INTERVAL = Duration.minutes(5)

/** Mends every few minutes what an event that was lost, or a function that died, has left. */
export class Reconciler extends Construct {
  readonly handler: Handler

  constructor(scope: Construct, id: string, props: ReconcilerProps) {
    super(scope, id)
    const { table, bucket, compute, flow, functionDefaults: defaults, deadLetterQueue } = props
    const handler = new Handler(this, 'Handler', {
      entry: 'reconciler/handler.ts',
      defaults,
      environment: {
        STATE_MACHINE_ALIAS_ARN: flow.aliasArn,
        STUCK_RUN_MINUTES: String(props.stuckRunMinutes),
      },
      // Less than the time to the next one; twice at once does no harm.
      timeout: Duration.minutes(4),
      deadLetterQueue,
    })
    this.handler = handler
    grantTable(table, handler, 'reconcile-runs')
    bucket.grantRead(handler, `runs/*/${machineFile('*')}`)
    flow.grantControl(handler)
    compute.grantJobControl(handler)
    new Rule(this, 'Schedule', {
      description: 'Brings runs, executions, jobs and budget together again',
      schedule: Schedule.rate(INTERVAL),
      // The next one sees what this one would have seen.
      targets: [new LambdaFunction(handler, { maxEventAge: INTERVAL, retryAttempts: 0 })],
    })
  }
}
