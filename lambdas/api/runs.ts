import { SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn'
import { Hono } from 'hono'
import { ulid } from 'ulid'
import { z } from 'zod'
import { RoslinError } from '../../core/errors.ts'
import { parseRecipe } from '../../core/recipe.ts'
import { hasEnded } from '../../core/run.ts'
import { evaluationSchema, metricsSchema } from '../../core/run-files.ts'
import { type RunList, runDetail, runListItem } from '../../core/run-view.ts'
import { RUN_FILES, storageLayout } from '../../core/storage-layout.ts'
import type { Attempt, Run } from '../../core/store/run-store.ts'
import { runs } from '../clients.ts'
import { deployment, variable } from '../environment.ts'
import { logger } from '../logger.ts'
import { planRecipe } from '../pinning.ts'
import { readJson } from '../s3-json.ts'
import { parseBody, parseQuery } from './input.ts'

const stepFunctions = new SFNClient({})

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
  // Planned here for its errors alone: a recipe that cannot be planned leaves no run behind.
  await planRecipe(run, recipe, deployed)
  await runs.create({ ...run, team: deployed.team, recipe })
  await start(run.runId)
  return context.json(await detail(run.runId), 201)
})

/** The execution has the run's id for its name, so a run can have no second one by mistake. */
async function start(runId: string): Promise<void> {
  const stateMachineArn = variable('STATE_MACHINE_ALIAS_ARN')
  try {
    await stepFunctions.send(
      new StartExecutionCommand({ stateMachineArn, name: runId, input: JSON.stringify({ runId }) }),
    )
  } catch (error) {
    logger.error('execution not started', { runId, error: error as Error })
    const failure = new RoslinError(
      'RUN_NOT_STARTED',
      `The flow of run ${runId} could not be started.`,
      'Try again in a minute.',
    )
    await runs.advance(runId, 'failed', new Date().toISOString(), {
      failure: {
        class: 'internal',
        code: failure.code,
        step: 'start',
        message: failure.message,
        nextStep: failure.nextStep,
      },
    })
    throw failure
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

async function detail(runId: string) {
  const { run, attempts } = await found(runId)
  return runDetail(run, attempts, new Date())
}

/** @throws RoslinError RUN_NOT_FOUND */
export async function found(runId: string): Promise<{ run: Run; attempts: readonly Attempt[] }> {
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
