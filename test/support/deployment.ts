import { randomUUID } from 'node:crypto'
import { Sha256 } from '@aws-crypto/sha256-js'
import { BatchClient, DescribeJobsCommand, TerminateJobCommand } from '@aws-sdk/client-batch'
import {
  CloudFormationClient,
  DescribeStackResourcesCommand,
  DescribeStacksCommand,
} from '@aws-sdk/client-cloudformation'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import {
  GetFunctionConfigurationCommand,
  InvokeCommand,
  LambdaClient,
  UpdateFunctionConfigurationCommand,
} from '@aws-sdk/client-lambda'
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { DescribeExecutionCommand, ListExecutionsCommand, SFNClient } from '@aws-sdk/client-sfn'
import { fromNodeProviderChain } from '@aws-sdk/credential-providers'
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb'
import { HttpRequest } from '@smithy/protocol-http'
import { SignatureV4 } from '@smithy/signature-v4'
import { inject } from 'vitest'
import { Client } from '../../cli/client.ts'
import { STEPS as FLOW_STEPS, hasEnded } from '../../core/run.ts'
import type { RunDetail } from '../../core/run-view.ts'
import { parseS3Uri } from '../../core/storage-layout.ts'
import { awsEnvironment, embeddedApiUrl } from '../../local/embedded.ts'
import { eventually } from './processes.ts'

export const TEAM = 'demo'

/** The steps that run in containers. */
export const STEPS = ['prepare', 'train', 'evaluate']

/** Of a run that has ended: the steps whose containers its last execution has started. */
function startedSteps({ status, from, failure }: RunDetail): readonly string[] {
  const steps: readonly string[] = FLOW_STEPS
  const end = status === 'succeeded' ? steps.length : steps.indexOf(failure?.step ?? '') + 1
  return steps.slice(steps.indexOf(from), end).filter((step) => STEPS.includes(step))
}

/** Of each training job: its number, its capacity option, its exit code. */
export function trainJobs(run: RunDetail) {
  return run.attempts
    .filter(({ step }) => step === 'train')
    .map(({ attempt, option, executions }) => [attempt, option, executions[0]?.exitCode])
}

/** A team as it is deployed to an embedded AWS: its API, and the services behind it. */
export class Deployment {
  readonly port: number
  readonly env: Record<string, string>
  readonly client: Client
  readonly sfn: SFNClient
  readonly batch: BatchClient
  readonly s3: S3Client
  readonly dynamo: DynamoDBDocumentClient
  readonly apiUrl: string
  readonly bucket: string
  readonly tableName: string
  readonly aliasArn: string
  readonly topicArn: string
  readonly #lambda: LambdaClient
  readonly #functions: ReadonlyMap<string, string>

  private constructor(
    env: Record<string, string>,
    port: number,
    team: string,
    outputs: Record<string, string>,
    functions: ReadonlyMap<string, string>,
  ) {
    // For this process: the API's client takes its key from there.
    Object.assign(process.env, env)
    this.port = port
    this.env = env
    this.apiUrl = embeddedApiUrl(outputs.ApiUrl ?? '', port)
    this.bucket = outputs.BucketName ?? ''
    this.tableName = outputs.TableName ?? ''
    this.aliasArn = outputs.StateMachineAliasArn ?? ''
    this.topicArn = outputs.TopicArn ?? ''
    this.#functions = functions
    this.client = new Client({ team, apiUrl: this.apiUrl, region: env.AWS_REGION ?? '' })
    this.sfn = new SFNClient({})
    this.batch = new BatchClient({})
    this.s3 = new S3Client({ forcePathStyle: true })
    this.dynamo = DynamoDBDocumentClient.from(new DynamoDBClient({}))
    this.#lambda = new LambdaClient({})
  }

  /** @param at the embedded AWS; left out, the one that all tests share. */
  static async open(
    at: { port: number; account: string; region: string } = inject('embedded'),
    team = TEAM,
  ): Promise<Deployment> {
    const env = awsEnvironment(at)
    Object.assign(process.env, env)
    const cloudFormation = new CloudFormationClient({})
    const outputs: Record<string, string> = {}
    for (const stack of ['State', 'ControlPlane']) {
      const { Stacks } = await cloudFormation.send(
        new DescribeStacksCommand({ StackName: `Roslin-${team}-${stack}` }),
      )
      for (const { OutputKey, OutputValue } of Stacks?.[0]?.Outputs ?? []) {
        if (OutputKey && OutputValue) outputs[OutputKey] = OutputValue
      }
    }
    const { StackResources = [] } = await cloudFormation.send(
      new DescribeStackResourcesCommand({ StackName: `Roslin-${team}-ControlPlane` }),
    )
    const functions = StackResources.filter(({ ResourceType }) => ResourceType === 'AWS::Lambda::Function')
    return new Deployment(
      env,
      at.port,
      team,
      outputs,
      new Map(
        functions.map(({ LogicalResourceId = '', PhysicalResourceId = '' }) => [
          LogicalResourceId,
          PhysicalResourceId,
        ]),
      ),
    )
  }

  /** Calls a deployed function by the construct it comes from, such as `FlowPlan`. */
  async invoke(construct: string, event: unknown): Promise<{ error: string | undefined; payload: unknown }> {
    const { FunctionError, Payload } = await this.#lambda.send(
      new InvokeCommand({ FunctionName: this.#nameOf(construct), Payload: JSON.stringify(event) }),
    )
    const text = Buffer.from(Payload ?? []).toString()
    return { error: FunctionError, payload: text ? JSON.parse(text) : undefined }
  }

  #nameOf(construct: string): string {
    const [, name] =
      [...this.#functions].find(([id]) => new RegExp(`^${construct}[0-9A-F]{8}$`).test(id)) ?? []
    if (name) return name
    throw new Error(`no function ${construct}: ${[...this.#functions.keys()]}`)
  }

  /** A signed request with a body as it is, where the API's client would send another. */
  async request(
    method: string,
    path: string,
    body?: string,
    given: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    const url = new URL(`${this.apiUrl}${path}`)
    const request = new HttpRequest({
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      port: Number(url.port),
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: { ...given, host: url.host },
      ...(body !== undefined && { body }),
    })
    const signer = new SignatureV4({
      service: 'execute-api',
      region: this.env.AWS_REGION ?? '',
      credentials: fromNodeProviderChain(),
      sha256: Sha256,
    })
    const { headers } = await signer.sign(request)
    return fetch(url, { method, headers, ...(body !== undefined && { body }) })
  }

  /** The status of a POST that its sender does not send again, as the API's client would. */
  async sendOnce(path: string, body: unknown): Promise<number> {
    const key = { 'idempotency-key': randomUUID() }
    return (await this.request('POST', path, JSON.stringify(body), key)).status
  }

  async put(key: string, body: string | Uint8Array): Promise<string> {
    await this.s3.send(new PutObjectCommand({ Bucket: this.bucket, Key: key, Body: Buffer.from(body) }))
    return `s3://${this.bucket}/${key}`
  }

  async read(uri: string): Promise<unknown> {
    const at = parseS3Uri(uri)
    const { Body } = await this.s3.send(new GetObjectCommand({ Bucket: at?.bucket, Key: at?.key }))
    return JSON.parse((await Body?.transformToString()) ?? '')
  }

  async keys(prefix: string): Promise<string[]> {
    const { Contents = [] } = await this.s3.send(
      new ListObjectsV2Command({ Bucket: this.bucket, Prefix: prefix }),
    )
    return Contents.map(({ Key = '' }) => Key)
  }

  /** A recipe that the stub trainer runs in no time, and does with it as told. */
  async recipe(
    told = '',
    overrides: Readonly<Record<string, unknown>> = {},
  ): Promise<Record<string, unknown>> {
    const source = await this.put(
      'test/rows.json',
      JSON.stringify([{ instruction: 'Say it.', output: 'Baa.' }]),
    )
    await this.put('test/model/config.json', JSON.stringify({ max_position_embeddings: 2048 }))
    return {
      name: 'stub',
      ...(told && { description: told }),
      baseModel: { source: `s3://${this.bucket}/test/model/`, licence: 'Apache-2.0', parameters: 1000 },
      dataset: { source, licence: 'CC-BY-4.0' },
      training: { epochs: 2, keepEpochs: [1] },
      resources: { gpus: 0 },
      evaluation: {
        prompts: [{ instruction: 'What is it?' }, { instruction: 'Capital of Italy?', expect: 'Rome' }],
      },
      ...overrides,
    }
  }

  async start(told = '', overrides: Readonly<Record<string, unknown>> = {}): Promise<RunDetail> {
    return this.client.createRun(await this.recipe(told, overrides))
  }

  /** Sets a variable of a function's environment, or removes it; gives back what it was. */
  async setVariable(construct: string, name: string, value: string | undefined) {
    const FunctionName = this.#nameOf(construct)
    const { Environment } = await this.#lambda.send(new GetFunctionConfigurationCommand({ FunctionName }))
    const { [name]: before, ...others } = Environment?.Variables ?? {}
    await this.#lambda.send(
      new UpdateFunctionConfigurationCommand({
        FunctionName,
        Environment: { Variables: { ...others, ...(value !== undefined && { [name]: value }) } },
      }),
    )
    return before
  }

  /** The run once it has ended and the last events of its jobs, which may come after that, are in. */
  async ended(runId: string): Promise<RunDetail> {
    return eventually(`run ${runId} ends`, async () => {
      const run = await this.client.getRun(runId)
      if (!hasEnded(run.status)) return undefined
      const hasSettled = run.attempts.every(
        ({ jobStatus }) => jobStatus === 'SUCCEEDED' || jobStatus === 'FAILED',
      )
      // What an earlier execution's attempts were tells nothing of this one's.
      const hasAll = startedSteps(run).every((started) =>
        run.attempts.some(({ step, execution }) => step === started && execution === run.execution),
      )
      return hasSettled && hasAll && !run.reservation ? run : undefined
    })
  }

  /** The run once it is as wanted; fails at once when it ends differently. */
  async until(runId: string, what: string, wanted: (run: RunDetail) => boolean): Promise<RunDetail> {
    return eventually(`run ${runId} ${what}`, async () => {
      const run = await this.client.getRun(runId)
      if (wanted(run)) return run
      if (hasEnded(run.status))
        throw new Error(`run ${runId} has ended, and never ${what}: ${JSON.stringify(run.failure)}`)
      return undefined
    })
  }

  /** The process of the run's container that runs this step, as the stub says it. */
  async processOf(runId: string, step: string): Promise<number> {
    return eventually(`${step} of run ${runId} says its process`, async () => {
      const { lines } = await this.client.getLogs(runId, undefined)
      const said = lines.findLast((line) => line.step === step && line.message.startsWith('process '))
      return said && Number(said.message.split(' ')[1])
    })
  }

  async executions(): Promise<string[]> {
    const stateMachineArn = this.aliasArn.replace(/:live$/, '')
    const { executions = [] } = await this.sfn.send(new ListExecutionsCommand({ stateMachineArn }))
    return executions.map(({ name = '' }) => name)
  }

  executionArn(runId: string): string {
    return `${this.aliasArn.replace(/:live$/, '').replace(':stateMachine:', ':execution:')}:${runId}`
  }

  /** @param name the execution's: the run's id, and from its first resume on a number after it. */
  async executionStatus(name: string): Promise<string | undefined> {
    const { status } = await this.sfn.send(
      new DescribeExecutionCommand({ executionArn: this.executionArn(name) }),
    )
    return status
  }

  async terminate(jobId: string): Promise<void> {
    await this.batch.send(new TerminateJobCommand({ jobId, reason: 'The test is done with it.' }))
  }

  async job(jobId: string) {
    const { jobs } = await this.batch.send(new DescribeJobsCommand({ jobs: [jobId] }))
    return jobs?.[0]
  }
}
