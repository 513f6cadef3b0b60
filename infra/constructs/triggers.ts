import { Duration } from 'aws-cdk-lib'
import type { ITableV2 } from 'aws-cdk-lib/aws-dynamodb'
import { type EventPattern, Rule } from 'aws-cdk-lib/aws-events'
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets'
import type { IBucket } from 'aws-cdk-lib/aws-s3'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import { TRIGGERS_FILE } from '../../core/automation.ts'
import { INCOMING } from '../../core/dataset-version.ts'
import { EVENT_SOURCE, RUN_STATUS_CHANGE } from '../../core/run-events.ts'
import type { Trigger } from '../../core/trigger.ts'
import type { Flow } from './flow.ts'
import { type FunctionDefaults, Handler, type HandlerProps } from './handler.ts'
import type { Schedules } from './schedules.ts'
import { grantTable } from './table-rights.ts'

export interface TriggersProps {
  readonly team: string
  readonly triggers: readonly Trigger[]
  readonly table: ITableV2
  readonly bucket: IBucket
  readonly flow: Flow
  readonly schedules: Schedules
  readonly functionDefaults: FunctionDefaults
  readonly deadLetterQueue: IQueue
}

/** A data file is read whole to be checked; so is one that is planned with. */
const MEMORY_MIB = 2048

/** The team's triggers as a file beside a function's code: they may be larger than an environment. */
export function triggersFile(triggers: readonly Trigger[]): Readonly<Record<string, string>> {
  return { [TRIGGERS_FILE]: JSON.stringify(triggers) }
}

/** Data that arrive become versions of data sets; recipes that follow a data set or a model start. */
export class Triggers extends Construct {
  constructor(scope: Construct, id: string, props: TriggersProps) {
    super(scope, id)
    const { team, triggers, bucket } = props
    const arrival = this.#on(
      'ObjectCreated',
      {
        source: ['aws.s3'],
        detailType: ['Object Created'],
        detail: { bucket: { name: [bucket.bucketName] }, object: { key: [{ prefix: INCOMING }] } },
      },
      'Files that arrived for the team',
      { entry: 'triggers/object-created.ts' },
      props,
    )
    bucket.grantPut(arrival, 'datasets/*')
    const models = triggers.filter(({ kind }) => kind === 'model').map(({ of }) => of)
    if (models.length === 0) return
    this.#on(
      'ModelRegistered',
      {
        source: [EVENT_SOURCE],
        detailType: [RUN_STATUS_CHANGE],
        detail: { team: [team], status: ['succeeded'], model: { name: [...new Set(models)] } },
      },
      'Versions of models that recipes follow',
      { entry: 'triggers/model-registered.ts' },
      props,
    )
  }

  #on(
    id: string,
    eventPattern: EventPattern,
    description: string,
    { entry }: Pick<HandlerProps, 'entry'>,
    { triggers, table, bucket, flow, schedules, functionDefaults: defaults, deadLetterQueue }: TriggersProps,
  ): Handler {
    const handler = new Handler(this, id, {
      entry,
      defaults,
      environment: { STATE_MACHINE_ALIAS_ARN: flow.aliasArn },
      files: triggersFile(triggers),
      memoryMiB: MEMORY_MIB,
      timeout: Duration.minutes(2),
      deadLetterQueue,
    })
    grantTable(table, handler, 'start-runs')
    bucket.grantRead(handler)
    // A window of no minutes starts its run at once.
    flow.grantControl(handler)
    schedules.grantScheduling(handler)
    new Rule(this, `${id}Rule`, {
      description,
      eventPattern,
      targets: [
        new LambdaFunction(handler, { deadLetterQueue, maxEventAge: Duration.hours(2), retryAttempts: 10 }),
      ],
    })
    return handler
  }
}
