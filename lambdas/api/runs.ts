import { Hono } from 'hono'
import { z } from 'zod'
import { RoslinError } from '../../core/errors.ts'
import { parseRecipe } from '../../core/recipe.ts'
import { hasEnded } from '../../core/run.ts'
import { evaluationSchema, metricsSchema } from '../../core/run-files.ts'
import { type RunDetail, type RunList, runDetail, runListItem } from '../../core/run-view.ts'
import { RUN_FILES, storageLayout } from '../../core/storage-layout.ts'
import type { Run, RunWithAttempts } from '../../core/store/run-store.ts'
import { runs } from '../clients.ts'
import { variable } from '../environment.ts'
import { readJson } from '../s3-json.ts'
import { startRun } from '../start-run.ts'
import { caller } from './caller.ts'
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
  return context.json(await detail(await startRun(recipe, caller(context))), 201)
})

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
