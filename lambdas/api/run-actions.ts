import { Hono } from 'hono'
import { z } from 'zod'
import { RoslinError } from '../../core/errors.ts'
import { planSchema, replan } from '../../core/plan.ts'
import { limitsPatchSchema } from '../../core/recipe.ts'
import { remainingUsd, stepToBeginWith } from '../../core/resume.ts'
import { hasEnded, STEPS } from '../../core/run.ts'
import type { Run } from '../../core/store/run-store.ts'
import { cancelRun } from '../cancel-run.ts'
import { ledger } from '../clients.ts'
import { deployment, monthlyLimitUsd } from '../environment.ts'
import { planRecipe } from '../pinning.ts'
import { readJson } from '../s3-json.ts'
import { startFlow } from '../start-run.ts'
import { parseBody } from './input.ts'
import { detail, found } from './runs.ts'

const cancellation = z.strictObject({ now: z.boolean().default(false) })
const resumption = z.strictObject({ limits: limitsPatchSchema.prefault({}), from: z.enum(STEPS).optional() })

export const runActionRoutes = new Hono()

runActionRoutes.post('/:runId/cancel', async (context) => {
  const { now } = await parseBody(cancellation, context)
  const { run, attempts } = await found(context.req.param('runId'))
  const { runId } = run
  if (run.status === 'cancelled') return context.json(await detail(runId))
  if (hasEnded(run.status)) {
    throw new RoslinError(
      'RUN_ENDED',
      `Run ${runId} is ${run.status}: there is nothing to cancel.`,
      'Nothing.',
    )
  }
  const note = now ? 'Its job is ended at once.' : 'A job that trains saves a checkpoint first.'
  // Where it ended by itself a moment ago, the answer shows how.
  await cancelRun({ run, attempts }, now, note)
  return context.json(await detail(runId))
})

/** A new execution of the same run, from the step it came to, or an earlier one. Training goes on from its newest checkpoint. */
runActionRoutes.post('/:runId/resume', async (context) => {
  const { limits: changed, from: wanted } = await parseBody(resumption, context)
  const { run, attempts } = await found(context.req.param('runId'))
  mayGoOn(run)
  const from = stepToBeginWith(run.runId, attempts, wanted)
  const limits = { ...run.recipe.limits, ...changed }
  const recipe = { ...run.recipe, limits }
  const previous = run.planUri && (await readJson(run.planUri, planSchema))
  const plan = previous ? replan(previous, limits, deployment()) : await planRecipe(run, recipe, deployment())
  const price = { usd: remainingUsd(run, plan.reservedUsd), monthlyLimitUsd: monthlyLimitUsd() }
  const at = new Date().toISOString()
  const reopened = await ledger.reopen(run, { recipe, from, note: `Resumed with ${from}.`, at }, price)
  if (!reopened) mayGoOn((await found(run.runId)).run)
  else await startFlow({ runId: run.runId, execution: run.execution + 1 })
  return context.json(await detail(run.runId))
})

/** @throws RoslinError RUN_ENDED, RUN_NOT_ENDED, RUN_STILL_STOPPING */
function mayGoOn({ runId, status, reservation }: Run): void {
  if (status === 'succeeded') {
    throw new RoslinError(
      'RUN_ENDED',
      `Run ${runId} has succeeded: nothing is left of it.`,
      'Start a new run.',
    )
  }
  if (!hasEnded(status)) {
    throw new RoslinError('RUN_NOT_ENDED', `Run ${runId} is ${status}.`, 'Cancel it first, or let it go on.')
  }
  if (reservation) {
    throw new RoslinError(
      'RUN_STILL_STOPPING',
      `Run ${runId} is ${status}, and a job of it still runs: it saves its checkpoint.`,
      'Try again in a minute or two.',
    )
  }
}
