import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation'
import { z } from 'zod'
import type { Recipe } from '../core/recipe.ts'
import { hasEnded } from '../core/run.ts'
import type { RunDetail } from '../core/run-view.ts'
import type { Bench, BenchOptions } from './figure.ts'
import { figure, median } from './figure.ts'

// Before anything of local/ is imported: the bench keeps what it makes in a folder of its own.
const stateFolder = mkdtempSync(join(tmpdir(), 'roslin-bench-'))
process.env.ROSLIN_STATE_DIR = stateFolder

const { Client } = await import('../cli/client.ts')
const { checkLocalInputs, sendUp } = await import('../cli/local-inputs.ts')
const { readRecipe } = await import('../cli/recipe-file.ts')
const { ensureDeployed } = await import('../local/deploy.ts')
const { remember } = await import('../local/embedded.ts')
const { emulatorHealth, endpointOf, startEmulator } = await import('../local/emulator.ts')
const { root } = await import('../local/paths.ts')
const { ensurePython } = await import('../local/python.ts')
const { firstLineOfTrainer } = await import('./first-line.ts')
const { controlPlaneUsd, stateTransitions } = await import('./flow-cost.ts')
const { installMetaflow } = await import('./metaflow.ts')

const PORT = 4791
const REPETITIONS = 7
const TEAM = 'demo'
/** Rarely: asking is work too. The times come from the run's own timeline, on this machine's clock. */
const POLL_MILLISECONDS = 1000
/** The workers of functions go after half a minute to a minute without a call: at rest means without them. */
const REST_MILLISECONDS = 75_000

/** Targets: what a person takes for immediate, and what a laptop does not notice. */
const TARGET_FLOW_SECONDS = 5
const TARGET_FIRST_LINE_SECONDS = 2
const TARGET_TRANSITIONS = 15
const TARGET_CONTROL_PLANE_USD = 0.01
/** Of the trainer itself: Metaflow's task makes 34 to 63 before it says a word. */
const TARGET_TRAINER_REQUESTS = 6

/** Runs that are started at once, and how many of them are posted at a time. */
const QUEUED_RUNS = 200
const POSTED_AT_ONCE = 10
/** More than the whole queue takes on two cores. */
const QUEUE_MILLISECONDS = 15 * 60_000
const TARGET_REST_MIB = 200

const statsSchema = z.object({
  requests: z.object({ total: z.number(), byService: z.record(z.string(), z.number()) }),
  memoryMiB: z.object({ total: z.number() }),
})
const firstLineSchema = z.object({ beganAt: z.number(), requests: z.number() })

interface Sample {
  readonly flowSeconds: number
  readonly firstLineSeconds: number
  readonly firstLineRequests: number
}

type BenchClient = InstanceType<typeof Client>

/** The empty flow through the whole embedded AWS: jobs that do nothing, so what is measured is everything else. */
export async function measure({ peers }: BenchOptions): Promise<Bench> {
  await ensurePython()
  const images = {
    'roslin/trainer:embedded': { cwd: root, entrypoint: ['python', join(root, 'bench/noop_trainer.py')] },
  }
  const emulator = await startEmulator({ port: PORT, images, jobSlots: 1, background: false })
  const metaflow = peers ? await installMetaflow() : undefined
  try {
    const health = await emulatorHealth(PORT)
    if (!health) throw new Error('the emulator is gone')
    const embedded = {
      port: PORT,
      pid: emulator.pid,
      account: health.account,
      region: health.region,
      team: TEAM,
    }
    remember(embedded)
    await ensureDeployed(embedded)
    const client = await Client.connect({ team: TEAM })
    const file = join(root, 'bench/empty.yaml')
    const written = readRecipe(file)
    const recipe = await sendUp(client, written, await checkLocalInputs(written, file), () => {})
    const cold = await emptyRun(client, recipe)
    const warm: Sample[] = []
    const peerSeconds: number[] = []
    for (let repetition = 0; repetition < REPETITIONS; repetition++) {
      warm.push(await emptyRun(client, recipe))
      if (metaflow) peerSeconds.push(await metaflow.runOnce())
    }
    const counted = await countedRun(client, recipe)
    const cost = controlPlaneUsd(counted.transitions, counted.requests)
    const firstLine = await firstLineOfTrainer()
    const warmMemoryMib = (await stats()).memoryMiB.total
    await sleep(REST_MILLISECONDS)
    const restMemoryMib = (await stats()).memoryMiB.total
    const queue = await queuedRuns(client, recipe)
    const baseline = metaflow
      ? { name: 'Metaflow, empty 3-step local flow', value: Number(median(peerSeconds).toPrecision(4)) }
      : null
    return {
      name: 'flow',
      figures: [
        figure('POST to succeeded', median(warm.map(({ flowSeconds }) => flowSeconds)), 's', {
          target: TARGET_FLOW_SECONDS,
          baseline,
        }),
        figure('POST to succeeded, first run after the deployment', cold.flowSeconds, 's'),
        figure(
          "POST to the trainer's first line",
          median(warm.map(({ firstLineSeconds }) => firstLineSeconds)),
          's',
          {
            target: TARGET_FIRST_LINE_SECONDS,
          },
        ),
        figure(
          "requests before the trainer's first line",
          median(warm.map(({ firstLineRequests }) => firstLineRequests)),
          'requests',
        ),
        figure("the trainer's own start to its first line", firstLine.seconds, 's'),
        figure("the trainer's own requests before its first line", firstLine.requests, 'requests', {
          target: TARGET_TRAINER_REQUESTS,
        }),
        figure('state transitions of a run', counted.transitions, 'transitions', {
          target: TARGET_TRANSITIONS,
        }),
        figure('control plane of a run with an hour of training, at most', cost.usd, 'USD', {
          target: TARGET_CONTROL_PLANE_USD,
        }),
        figure(`of ${QUEUED_RUNS} runs queued at once, ended well`, queue.succeeded, 'runs', {
          target: QUEUED_RUNS,
          isLeast: true,
        }),
        figure('until the last of them ended', queue.seconds, 's'),
        figure('memory of the embedded AWS after the last run', warmMemoryMib, 'MiB'),
        figure('memory of the embedded AWS at rest', restMemoryMib, 'MiB', { target: TARGET_REST_MIB }),
      ],
      notes: cost.arithmetic,
    }
  } finally {
    metaflow?.remove()
    await emulator.stop()
    rmSync(stateFolder, { recursive: true })
  }
}

async function emptyRun(client: BenchClient, recipe: Recipe): Promise<Sample> {
  const before = (await stats()).requests.total
  const posted = Date.now()
  const { runId } = await client.createRun(recipe)
  const { endedAt, status, failure } = await untilEnded(client, runId)
  if (!endedAt || status !== 'succeeded') throw new Error(`the empty run ${status}: ${failure?.message}`)
  const { lines } = await client.getLogs(runId, undefined)
  const first = firstLineSchema.parse(JSON.parse(lines[0]?.message ?? ''))
  return {
    flowSeconds: (Date.parse(endedAt) - posted) / 1000,
    firstLineSeconds: first.beganAt - posted / 1000,
    firstLineRequests: first.requests - before,
  }
}

/** One run that nobody asks about while it goes, so that what is counted is its own. */
async function countedRun(client: BenchClient, recipe: Recipe) {
  const before = (await stats()).requests.byService
  const { runId } = await client.createRun(recipe)
  await sleep(10_000)
  const after = (await stats()).requests.byService
  const run = await untilEnded(client, runId)
  if (run.status !== 'succeeded') throw new Error(`the counted run ${run.status}: ${run.failure?.message}`)
  const requests = Object.fromEntries(
    Object.entries(after).map(([service, count]) => [service, count - (before[service] ?? 0)]),
  )
  return { requests, transitions: await stateTransitions(await executionArn(runId)) }
}

async function executionArn(runId: string): Promise<string> {
  const { Stacks } = await new CloudFormationClient({}).send(
    new DescribeStacksCommand({ StackName: `Roslin-${TEAM}-ControlPlane` }),
  )
  const alias =
    Stacks?.[0]?.Outputs?.find(({ OutputKey }) => OutputKey === 'StateMachineAliasArn')?.OutputValue ?? ''
  return `${alias.replace(/:live$/, '').replace(':stateMachine:', ':execution:')}:${runId}`
}

async function queuedRuns(
  client: BenchClient,
  recipe: Recipe,
): Promise<{ succeeded: number; seconds: number }> {
  const began = Date.now()
  const waiting = new Set<string>()
  const post = async () => {
    for (let share = 0; share < QUEUED_RUNS / POSTED_AT_ONCE; share++)
      waiting.add((await client.createRun(recipe)).runId)
  }
  await Promise.all(Array.from({ length: POSTED_AT_ONCE }, post))
  let succeeded = 0
  while (waiting.size > 0 && Date.now() - began < QUEUE_MILLISECONDS) {
    await sleep(POLL_MILLISECONDS)
    for (const runId of [...waiting]) {
      const { status } = await client.getRun(runId)
      // The first that has not ended: those after it have hardly either.
      if (!hasEnded(status)) break
      waiting.delete(runId)
      if (status === 'succeeded') succeeded++
    }
  }
  return { succeeded, seconds: (Date.now() - began) / 1000 }
}

async function untilEnded(client: BenchClient, runId: string): Promise<RunDetail> {
  for (;;) {
    await sleep(POLL_MILLISECONDS)
    const run = await client.getRun(runId)
    if (hasEnded(run.status)) return run
  }
}

async function stats(): Promise<z.output<typeof statsSchema>> {
  return statsSchema.parse(await (await fetch(`${endpointOf(PORT)}/_roslin/stats`)).json())
}
