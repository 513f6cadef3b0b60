import { Hono } from 'hono'
import { ulid } from 'ulid'
import { z } from 'zod'
import { RoslinError } from '../../core/errors.ts'
import { parseRecipe } from '../../core/recipe.ts'
import { hasEnded } from '../../core/run.ts'
import { evaluationSchema, metricsSchema } from '../../core/run-files.ts'
import { type RunDetail, type RunList, runDetail, runListItem } from '../../core/run-view.ts'
import { RUN_FILES, storageLayout } from '../../core/storage-layout.ts'
import type { Run, RunWithAttempts } from '../../core/store/run-store.ts'
import { ledger, runs } from '../clients.ts'
import { deployment, monthlyLimitUsd, variable } from '../environment.ts'
import { startExecution } from '../executions.ts'
import { logger } from '../logger.ts'
import { planRecipe } from '../pinning.ts'
import { readJson } from '../s3-json.ts'
import { settleIfDone } from '../settle.ts'
import { parseBody, parseQuery } from './input.ts'
import { waitingReason } from './waiting.ts'

const newRun = z.strictObject({ recipe: z.unknown() })
const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.ulid('is none that a page has given').optional(),
})

export const runRoutes = new Hono()

runRoutes.post('/', async (context) => {
  const recipe = parseRecipe((await parseBody(newRun, context)).recipe)
  const run = { runId: ulid(), createdAt: new Date().toISOString() }
  const deployed = deployment()
  // Planned here for its errors and its price: a recipe that cannot be planned or paid leaves no run behind.
  const { reservedUsd } = await planRecipe(run, recipe, deployed)
  const price = { usd: reservedUsd, monthlyLimitUsd: monthlyLimitUsd() }
  await ledger.open({ ...run, team: deployed.team, recipe }, price)
  await start({ runId: run.runId, execution: 0 })
  return context.json(await detail(run.runId), 201)
})

/** @throws RoslinError RUN_NOT_STARTED, and then the run has failed: the caller knows, and may resume it. */
export async function start({ runId, execution }: Pick<Run, 'runId' | 'execution'>): Promise<void> {
  try {
    await startExecution({ runId, execution })
  } catch (error) {
    logger.error('execution not started', { runId, error: error as Error })
    const problem = new RoslinError(
      'RUN_NOT_STARTED',
      `The flow of run ${runId} could not be started.`,
      'Resume it in a minute.',
    )
    const { code, message, nextStep } = problem
    await runs.advance(runId, {
      status: 'failed',
      at: new Date().toISOString(),
      moment: { execution },
      details: { failure: { class: 'internal', code, step: 'start', message, nextStep } },
    })
    await settleIfDone(runId)
    throw problem
  }
}

runRoutes.get('/', async (context) => {
  const { limit, cursor = null } = parseQuery(listQuery, context)
  const page = await runs.list(variable('TEAM'), limit, cursor)
  const now = new Date()
  return context.json({
    runs: page.runs.map((run) => runListItem(run, now)),
    cursor: page.cursor,
  } satisfies RunList)
})

runRoutes.get('/:runId', async (context) => context.json(await detail(context.req.param('runId'))))

runRoutes.get('/:runId/metrics', async (context) => {
  const { run } = await found(context.req.param('runId'))
  return context.json(await runFile(run, RUN_FILES.metrics, metricsSchema, 'training'))
})

runRoutes.get('/:runId/samples', async (context) => {
  const { run } = await found(context.req.param('runId'))
  return context.json(await runFile(run, RUN_FILES.evaluation, evaluationSchema, 'evaluation'))
})

export async function detail(runId: string): Promise<RunDetail> {
  const { run, attempts } = await found(runId)
  const now = new Date()
  const waiting = await waitingReason(run, attempts, now)
  return { ...runDetail(run, attempts, now), ...(waiting && { waiting }) }
}

/** @throws RoslinError RUN_NOT_FOUND */
export async function found(runId: string): Promise<RunWithAttempts> {
  const result = await runs.get(runId)
  if (result) return result
  throw new RoslinError(
    'RUN_NOT_FOUND',
    `There is no run ${runId}.`,
    'GET /v1/runs (or `roslin runs list`) shows the runs there are.',
  )
}

async function runFile<T>(run: Run, file: string, schema: z.ZodType<T>, step: string): Promise<T> {
  const content = await readJson(`${storageLayout(variable('BUCKET_NAME')).run(run.runId)}${file}`, schema)
  if (content !== undefined) return content
  const next = hasEnded(run.status) ? 'The run ended before that; its failure says why.' : 'Ask again later.'
  throw new RoslinError(
    'NOT_READY',
    `Run ${run.runId} is ${run.status}: its ${step} has written nothing yet.`,
    next,
  )
}
