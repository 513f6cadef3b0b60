import { Duration, RemovalPolicy } from 'aws-cdk-lib'
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Code, type ILayerVersion, Function as LambdaFunction, Tracing } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import type { Construct } from 'constructs'
import { bundleOf } from '../bundle.ts'
import { RUNTIME } from './libraries.ts'

export interface FunctionDefaults {
  readonly logRetentionDays: RetentionDays
  readonly environment: Readonly<Record<string, string>>
  /** Beside the code of each: name → text. */
  readonly files: Readonly<Record<string, string>>
  readonly libraries: ILayerVersion
}

export interface HandlerProps {
  /** The handler's file, from lambdas/. */
  readonly entry: string
  readonly defaults: FunctionDefaults
  readonly environment?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
  readonly memoryMiB?: number
  readonly timeout?: Duration
  readonly deadLetterQueue?: IQueue
}

/** A Lambda function of lambdas/, with a role and a log group of its own. */
export class Handler extends LambdaFunction {
  constructor(scope: Construct, id: string, props: HandlerProps) {
    const logGroup = new LogGroup(scope, `${id}Logs`, {
      retention: props.defaults.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const role = new Role(scope, `${id}Role`, { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    logGroup.grantWrite(role)
    super(scope, id, {
      code: Code.fromAsset(bundleOf(props.entry, { ...props.defaults.files, ...props.files })),
      handler: 'index.handler',
      role,
      logGroup,
      runtime: RUNTIME,
      layers: [props.defaults.libraries],
      memorySize: props.memoryMiB ?? 512,
      timeout: props.timeout ?? Duration.seconds(30),
      tracing: Tracing.ACTIVE,
      environment: {
        ...props.defaults.environment,
        ...props.environment,
        NODE_OPTIONS: '--enable-source-maps',
      },
      // Of those that are published, runs under way may still use the former ones. Not one that a rollback takes back: Lambda
      // would not publish the same code again, and the deployment could not be repeated.
      currentVersionOptions: { removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE },
      ...(props.deadLetterQueue && { deadLetterQueue: props.deadLetterQueue }),
    })
  }
}
