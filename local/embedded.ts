import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { emulatorHealth, endpointOf } from './emulator.ts'
import { noProxy } from './no-proxy.ts'
import { paths } from './paths.ts'

/** The embedded AWS that runs on this machine, and the team deployed to it. */
const recordSchema = z.object({
  port: z.int(),
  pid: z.int(),
  account: z.string(),
  region: z.string(),
  team: z.string(),
})
export type Embedded = z.output<typeof recordSchema>

export function remember(embedded: Embedded): void {
  mkdirSync(paths.state, { recursive: true })
  writeFileSync(paths.record, JSON.stringify(embedded))
}

/** Leaves the record of another one alone, which may have been started since. */
export function forget(pid: number): void {
  if (readRecord()?.pid === pid) rmSync(paths.record, { force: true })
}

/** The one that was started last, if it still runs. */
export async function findEmbedded(): Promise<Embedded | undefined> {
  const record = readRecord()
  const health = record && (await emulatorHealth(record.port))
  return record && health?.pid === record.pid ? record : undefined
}

function readRecord(): Embedded | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(paths.record, 'utf8')))
  } catch {
    return undefined
  }
}

/** What the AWS SDK, the CDK and the trainer need to speak to it instead of to AWS. It has no secrets: the key is its account's number. */
export function awsEnvironment({
  port,
  account,
  region,
}: Pick<Embedded, 'port' | 'account' | 'region'>): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpointOf(port),
    AWS_ACCESS_KEY_ID: account,
    AWS_SECRET_ACCESS_KEY: 'embedded',
    AWS_SESSION_TOKEN: '',
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_EC2_METADATA_DISABLED: 'true',
    // What a shell may ask of the real AWS, and an endpoint of its own does not go with.
    AWS_USE_FIPS_ENDPOINT: 'false',
    AWS_USE_DUALSTACK_ENDPOINT: 'false',
    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'false',
    ...noProxy(),
  }
}

/** API Gateway's host names do not resolve to this machine: the emulator takes the API's id in the path. */
export function embeddedApiUrl(apiUrl: string, port: number): string {
  const [apiId] = new URL(apiUrl).hostname.split('.')
  return `${endpointOf(port)}/_aws/execute-api/${apiId}`
}
