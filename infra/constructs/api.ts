import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib'
import { CfnStage, HttpApi, HttpMethod } from 'aws-cdk-lib/aws-apigatewayv2'
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers'
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations'
import type { ITableV2 } from 'aws-cdk-lib/aws-dynamodb'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { type ILogGroup, LogGroup } from 'aws-cdk-lib/aws-logs'
import type { IBucket } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import { INCOMING } from '../../core/dataset-version.ts'
import type { Recipe } from '../../core/recipe.ts'
import { RECIPES_FILE } from '../../core/recipe-folder.ts'
import { stopFile } from '../../core/storage-layout.ts'
import type { Trigger } from '../../core/trigger.ts'
import type { Compute } from './compute.ts'
import type { Flow } from './flow.ts'
import { type FunctionDefaults, Handler } from './handler.ts'
import type { Schedules } from './schedules.ts'
import { grantTable } from './table-rights.ts'
import { triggersFile } from './triggers.ts'

export interface ApiProps {
  readonly table: ITableV2
  readonly bucket: IBucket
  readonly jobLogGroup: ILogGroup
  readonly flow: Flow
  readonly schedules: Schedules
  readonly triggers: readonly Trigger[]
  readonly recipes: readonly Recipe[]
  readonly compute: Compute
  readonly functionDefaults: FunctionDefaults
}

/** A new run's data file is read whole to be checked. */
const MEMORY_MIB = 2048
/** Forms for what is sent up are signed with its right to put it there; versions of data sets it writes itself. */
const WRITTEN = ['uploads/*', `${INCOMING}*`, 'datasets/*']
const RATE_PER_SECOND = 50
const BURST = 100

/** The HTTP API: one function behind every route, and no route without a signed request. */
export class Api extends Construct {
  readonly id: string
  readonly url: string
  readonly httpApi: HttpApi
  readonly handler: Handler
  readonly accessLogs: LogGroup

  constructor(scope: Construct, id: string, props: ApiProps) {
    super(scope, id)
    const {
      table,
      bucket,
      jobLogGroup,
      flow,
      schedules,
      triggers,
      recipes,
      compute,
      functionDefaults: defaults,
    } = props
    const handler = new Handler(this, 'Handler', {
      entry: 'api/handler.ts',
      defaults,
      environment: { STATE_MACHINE_ALIAS_ARN: flow.aliasArn, JOB_LOG_GROUP_NAME: jobLogGroup.logGroupName },
      files: { ...triggersFile(triggers), [RECIPES_FILE]: JSON.stringify(recipes) },
      memoryMiB: MEMORY_MIB,
      timeout: Duration.seconds(29),
    })
    this.handler = handler
    grantTable(table, handler, 'start-runs')
    bucket.grantRead(handler)
    for (const prefix of WRITTEN) bucket.grantPut(handler, prefix)
    jobLogGroup.grant(handler, 'logs:GetLogEvents')
    bucket.grantPut(handler, `runs/*/${stopFile('*')}`)
    flow.grantControl(handler)
    schedules.grantManaging(handler)
    compute.grantJobControl(handler)
    handler.addToRolePolicy(
      new PolicyStatement({
        actions: ['servicequotas:GetServiceQuota'],
        // The quotas of EC2 in this account, by their codes.
        resources: [
          Stack.of(this).formatArn({ service: 'servicequotas', resource: 'ec2', resourceName: 'L-*' }),
        ],
      }),
    )

    const api = new HttpApi(this, 'HttpApi', {
      // Two teams in one account are told apart by it in the console.
      apiName: Stack.of(this).stackName,
      defaultAuthorizer: new HttpIamAuthorizer(),
    })
    api.addRoutes({
      path: '/v1/{proxy+}',
      methods: [HttpMethod.GET, HttpMethod.POST, HttpMethod.PUT, HttpMethod.DELETE],
      integration: new HttpLambdaIntegration('Integration', handler),
    })
    this.httpApi = api
    this.accessLogs = this.#configureStage(api, defaults)
    this.id = api.apiId
    this.url = api.apiEndpoint
  }

  #configureStage(api: HttpApi, { logRetentionDays }: FunctionDefaults): LogGroup {
    const stage = api.defaultStage?.node.defaultChild
    if (!(stage instanceof CfnStage)) throw new Error('the API has no default stage')
    const logs = new LogGroup(this, 'AccessLogs', {
      retention: logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    stage.accessLogSettings = {
      destinationArn: logs.logGroupArn,
      format: Stack.of(this).toJsonString({
        requestId: '$context.requestId',
        caller: '$context.identity.userArn',
        method: '$context.httpMethod',
        path: '$context.path',
        status: '$context.status',
        latencyMilliseconds: '$context.responseLatency',
      }),
    }
    stage.defaultRouteSettings = { throttlingRateLimit: RATE_PER_SECOND, throttlingBurstLimit: BURST }
    return logs
  }
}
