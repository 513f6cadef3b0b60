import { GetExecutionHistoryCommand, SFNClient } from '@aws-sdk/client-sfn'

/** Requests that the embedded AWS counted, by service. */
export type RequestCounts = Readonly<Record<string, number>>

/** US dollars, us-east-1, list prices as published in November 2026 and remembered; check before you rely on a digit. */
const USD = {
  stateTransition: 25e-6,
  apiRequest: 1e-6,
  lambdaRequest: 0.2e-6,
  lambdaGibSecond: 16.6667e-6,
  s3Put: 5e-6,
  dynamoWriteUnit: 0.625e-6,
  event: 1e-6,
  logGib: 0.5,
}

/** Taken higher than they are, so that the sum is a bound: sizes and times of what was counted. */
const BOUND = {
  /** An item of 4 KiB, in a transaction, in two indexes: more than any of ours. */
  writeUnitsPerDynamoRequest: 16,
  gibPerInvocation: 2,
  secondsPerInvocation: 0.5,
  logKibPerInvocation: 4,
}

/** What the trainer and the reconciler ask in an hour of training: metrics every 10 s at most, a profile every 10 s, a log line every 5 s. */
const TRAINING_HOUR = { s3Puts: 2 * 360, logKib: 720 * 0.2, reconcilerInvocations: 12 }

/** States that the run's execution entered: what Step Functions bills, retries aside. */
export async function stateTransitions(executionArn: string): Promise<number> {
  const client = new SFNClient({})
  const { events = [] } = await client.send(
    new GetExecutionHistoryCommand({ executionArn, maxResults: 1000 }),
  )
  // And the start itself, to be on the safe side.
  return 1 + events.filter(({ type }) => type?.endsWith('StateEntered')).length
}

/** An upper bound of the control plane's cost of a run with one hour of training, and the sum that it comes from. */
export function controlPlaneUsd(
  transitions: number,
  requests: RequestCounts,
): { readonly usd: number; readonly arithmetic: readonly string[] } {
  // One for the API, two for steps, five states of each of three jobs, and the stream: at most one for each request to the table.
  const lambdas = 1 + 2 + 15 + (requests.dynamodb ?? 0) + TRAINING_HOUR.reconcilerInvocations
  const s3 = (requests.s3 ?? 0) + TRAINING_HOUR.s3Puts
  const dynamo = (requests.dynamodb ?? 0) * BOUND.writeUnitsPerDynamoRequest
  const logGib = (lambdas * BOUND.logKibPerInvocation + TRAINING_HOUR.logKib) / 2 ** 20
  const gibSeconds = lambdas * BOUND.gibPerInvocation * BOUND.secondsPerInvocation
  const parts: readonly (readonly [string, number])[] = [
    [`${transitions} state transitions × $${USD.stateTransition}`, transitions * USD.stateTransition],
    [`${lambdas} Lambda requests × $${USD.lambdaRequest}`, lambdas * USD.lambdaRequest],
    [`${gibSeconds} GiB s of Lambda × $${USD.lambdaGibSecond}`, gibSeconds * USD.lambdaGibSecond],
    [`${s3} S3 requests, all taken for PUT, × $${USD.s3Put}`, s3 * USD.s3Put],
    [`${dynamo} DynamoDB write units × $${USD.dynamoWriteUnit}`, dynamo * USD.dynamoWriteUnit],
    [`${requests.events ?? 0} EventBridge requests × $${USD.event}`, (requests.events ?? 0) * USD.event],
    [`1 API request × $${USD.apiRequest}`, USD.apiRequest],
    [`${logGib.toFixed(5)} GiB of logs × $${USD.logGib}`, logGib * USD.logGib],
  ]
  return {
    usd: parts.reduce((sum, [, usd]) => sum + usd, 0),
    arithmetic: parts.map(([what, usd]) => `${what} = $${usd.toFixed(6)}`),
  }
}
