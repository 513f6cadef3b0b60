import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb'
import type { RunFilter } from '../cli/client.ts'
import { RunLists } from '../core/store/run-lists.ts'
import { openTable } from '../core/store/table.ts'
import { encodeCursor } from '../lambdas/api/cursor.ts'
import type { Bench, Figure } from './figure.ts'
import { figure } from './figure.ts'
import { measureFunctions } from './functions.ts'
import { latencies } from './latency.ts'
import { copyRuns, RECIPES, writeTemplates } from './many-runs.ts'
import { deployNoop } from './noop-api.ts'

// Before anything of local/ is imported: the bench keeps what it makes in a folder of its own.
const stateFolder = mkdtempSync(join(tmpdir(), 'roslin-bench-'))
process.env.ROSLIN_STATE_DIR = stateFolder

const { Client } = await import('../cli/client.ts')
const { ensureDeployed } = await import('../local/deploy.ts')
const { awsEnvironment, embeddedApiUrl, remember } = await import('../local/embedded.ts')
const { emulatorHealth, endpointOf, startEmulator } = await import('../local/emulator.ts')
const { paths } = await import('../local/paths.ts')
const { ensurePython } = await import('../local/python.ts')

const TEAM = 'demo'
const PORT = 4792
const FEW = 100
const MANY = 100_000
const REPETITIONS = 200
/** Of a request to the full table over the same to the small one. */
const TARGET_RATIO = 1.2
/** The API's, in infra/constructs/api.ts. */
const MEMORY_MIB = 2048

/** What is asked of both tables: name → page and conditions. */
const LISTS: Readonly<Record<string, { limit: number; filter: RunFilter; fromMiddle?: true }>> = {
  'the newest 25 runs': { limit: 25, filter: {} },
  '25 runs from the middle': { limit: 25, filter: {}, fromMiddle: true },
  '25 runs of a recipe': { limit: 25, filter: { recipe: RECIPES[0] } },
  '25 runs that succeeded': { limit: 25, filter: { status: 'succeeded' } },
  'the runs that wait': { limit: 25, filter: { status: 'queued' } },
  '25 runs that made a model': { limit: 25, filter: { model: RECIPES[0] } },
  'the final metrics of 40 runs': { limit: 40, filter: { recipe: RECIPES[0] } },
}

interface Deployed {
  readonly apiUrl: string
  readonly noopUrl: string
  readonly tableName: string
  readonly region: string
}

/** The weight of the functions; the API beside one that does nothing; and lists of 100 runs beside lists of 100,000. */
export async function measure(): Promise<Bench> {
  const functions = measureFunctions()
  await ensurePython()
  try {
    const { deployed, templates } = await deploy()
    const [few, many] = [FEW, MANY].map((runs, index) => {
      const stateDir = join(stateFolder, `runs-${runs}`)
      cpSync(paths.aws, stateDir, { recursive: true })
      const middle = copyRuns(stateDir, deployed.tableName, templates, runs)
      return { port: PORT + 1 + index, stateDir, middle }
    })
    if (!few || !many) throw new Error('no tables')
    const emulators = []
    try {
      for (const { port, stateDir } of [few, many]) {
        // A state that is written to disk meanwhile is this emulator's cost, not the design's.
        emulators.push(await start(port, { stateDir, keepsState: false }))
      }
      return {
        name: 'api',
        figures: [
          ...functions.figures,
          ...(await measureApi(deployed, few)),
          ...(await measureLists(deployed, few, many)),
          ...(await countItems(deployed, few, many)),
        ],
        notes: [
          ...functions.notes,
          `Latencies are of ${REPETITIONS} signed requests each, one after the other, in turns, on the embedded AWS.`,
          'Items read is what DynamoDB looked at for the page (ScannedCount), which is what it bills for.',
        ],
      }
    } finally {
      await Promise.all(emulators.map((emulator) => emulator.stop()))
    }
  } finally {
    rmSync(stateFolder, { recursive: true })
  }
}

async function start(port: number, more: { stateDir?: string; keepsState?: boolean } = {}) {
  return startEmulator({ port, images: {}, jobSlots: 1, background: false, ...more })
}

/** Deploys the team and the function beside it, and writes one run of each kind; the state stays when it has stopped. */
async function deploy(): Promise<{ deployed: Deployed; templates: readonly string[] }> {
  const emulator = await start(PORT)
  try {
    const health = await emulatorHealth(PORT)
    if (!health) throw new Error('the emulator is gone')
    const embedded = { ...health, port: PORT, pid: emulator.pid, team: TEAM }
    remember(embedded)
    await ensureDeployed(embedded)
    Object.assign(process.env, awsEnvironment(embedded))
    const noopUrl = await deployNoop(MEMORY_MIB)
    const apiUrl = await outputOf('ControlPlane', 'ApiUrl')
    const tableName = await outputOf('State', 'TableName')
    const client = DynamoDBDocumentClient.from(new DynamoDBClient({}))
    const templates = await writeTemplates(client, tableName, TEAM)
    return { deployed: { apiUrl, noopUrl, tableName, region: health.region }, templates }
  } finally {
    await emulator.stop()
  }
}

async function outputOf(stack: string, key: string): Promise<string> {
  const { Stacks } = await new CloudFormationClient({}).send(
    new DescribeStacksCommand({ StackName: `Roslin-${TEAM}-${stack}` }),
  )
  return Stacks?.[0]?.Outputs?.find(({ OutputKey }) => OutputKey === key)?.OutputValue ?? ''
}

interface Filled {
  readonly port: number
  readonly middle: string
}

function clientOf({ region }: Deployed, url: string, port: number) {
  return new Client({ team: TEAM, apiUrl: embeddedApiUrl(url, port), region })
}

async function measureApi(deployed: Deployed, { port, middle }: Filled): Promise<readonly Figure[]> {
  const client = clientOf(deployed, deployed.apiUrl, port)
  const noop = clientOf(deployed, deployed.noopUrl, port)
  const [oldest] = (await client.listRuns(1, undefined, { status: 'queued' })).runs
  if (!oldest || !middle) throw new Error('the table has no runs')
  const found = await latencies(
    {
      noop: () => noop.health(),
      'GET /v1/health': () => client.health(),
      'GET /v1/team': () => client.getTeam(),
      'GET /v1/runs/{runId}': () => client.getRun(oldest.runId),
      'GET /v1/runs': () => client.listRuns(25, undefined),
      'GET /v1/models': () => client.listModels(),
    },
    REPETITIONS,
  )
  const { noop: baseline, ...routes } = found
  return (['p50', 'p99'] as const).flatMap((which) =>
    Object.entries(routes).map(([route, latency]) =>
      figure(`${route}: ${which}`, latency[which], 'ms', {
        baseline: { name: `no-op ${which}`, value: Number(baseline[which].toPrecision(4)) },
      }),
    ),
  )
}

async function measureLists(deployed: Deployed, few: Filled, many: Filled): Promise<readonly Figure[]> {
  const calls = Object.fromEntries(
    Object.entries(LISTS).flatMap(([name, { limit, filter, fromMiddle }]) =>
      [few, many].map(({ port, middle }) => {
        const client = clientOf(deployed, deployed.apiUrl, port)
        const cursor = fromMiddle && (encodeCursor(middle) ?? undefined)
        return [`${name} ${port}`, () => client.listRuns(limit, cursor, filter)]
      }),
    ),
  )
  const found = await latencies(calls, REPETITIONS)
  return Object.keys(LISTS).map((name) => {
    const baseline = Number((found[`${name} ${few.port}`]?.p50 ?? Number.NaN).toPrecision(4))
    return figure(`${name}, of ${MANY}: p50`, found[`${name} ${many.port}`]?.p50 ?? Number.NaN, 'ms', {
      target: Number((TARGET_RATIO * baseline).toPrecision(4)),
      baseline: { name: `of ${FEW}`, value: baseline },
    })
  })
}

/** The same pages by the same code, with what each query of them reads. */
async function countItems(deployed: Deployed, few: Filled, many: Filled): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const [name, { limit, filter, fromMiddle }] of Object.entries(LISTS)) {
    const [small, large] = await Promise.all(
      [few, many].map(async ({ port, middle }) => {
        const read: number[] = []
        const client = new DynamoDBClient({ endpoint: endpointOf(port) })
        client.middlewareStack.add(
          (next) => async (args) => {
            const answer = await next(args)
            read.push((answer.output as { ScannedCount?: number }).ScannedCount ?? 0)
            return answer
          },
          { step: 'initialize', name: 'count' },
        )
        const lists = new RunLists(openTable(DynamoDBDocumentClient.from(client), deployed.tableName))
        await lists.list(TEAM, limit, fromMiddle ? middle : null, filter)
        if (read.length !== 1) throw new Error(`${name}: ${read.length} queries`)
        return read[0] ?? Number.NaN
      }),
    )
    figures.push(
      figure(`${name}, of ${MANY}: read by one query`, large ?? Number.NaN, 'items', {
        target: small ?? null,
        baseline: { name: `of ${FEW}`, value: small ?? Number.NaN },
      }),
    )
  }
  return figures
}
