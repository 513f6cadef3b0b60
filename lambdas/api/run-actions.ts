import { RoslinError } from '../../core/errors.ts'
import { replan } from '../../core/plan.ts'
import { remainingUsd, stepToBeginWith } from '../../core/resume.ts'
import { hasEnded } from '../../core/run.ts'
import type { Run } from '../../core/store/run-store.ts'
import { cancelRun as cancel } from '../cancel-run.ts'
import { deployment } from '../environment.ts'
import { planRecipe } from '../pinning.ts'
import { readPlan } from '../s3-json.ts'
import { reopenRun, startFlow, termsOf, wasNotStarted } from '../start-run.ts'
import { detail, found } from './runs.ts'
import type { Handlers } from './serve.ts'

const cancelRun: Handlers['cancelRun'] = async ({ params, body: { now } }) => {
  const { run, attempts } = await found(params.runId)
  const { runId } = run
  if (run.status === 'cancelled') return detail(runId)
  if (hasEnded(run.status)) {
    throw new RoslinError(
      'RUN_ENDED',
      `Run ${runId} is ${run.status}: there is nothing to cancel.`,
      'Nothing.',
    )
  }
  const note = now ? 'Its job is ended at once.' : 'A job that trains saves a checkpoint first.'
  // Where it ended by itself a moment ago, the answer shows how.
  await cancel({ run, attempts }, now, note)
  return detail(runId)
}

/** A new execution of the same run, from the step it came to, or an earlier one. Training goes on from its newest checkpoint. */
const resumeRun: Handlers['resumeRun'] = async ({ params, body, request }) => {
  const { limits: changed, from: wanted } = body
  const { run, attempts } = await found(params.runId)
  // This very request has reopened it, and died before it was answered. What could not be started is reopened once more.
  if (run.reopenedBy === request.id && !wasNotStarted(run)) {
    if (!hasEnded(run.status)) await startFlow(run)
    return detail(run.runId)
  }
  mayGoOn(run)
  const from = stepToBeginWith(run.runId, attempts, wanted)
  const limits = { ...run.recipe.limits, ...changed }
  const recipe = { ...run.recipe, limits }
  const previous = run.planUri && (await readPlan(run.planUri))
  const plan = previous ? replan(previous, limits, deployment()) : await planRecipe(run, recipe, deployment())
  const terms = termsOf(remainingUsd({ ...run, attempts }, from, plan))
  const reopening = {
    requestId: request.id,
    recipe,
    from,
    note: `Resumed with ${from}.`,
    at: new Date().toISOString(),
  }
  if (!(await reopenRun(run, reopening, terms))) mayGoOn((await found(run.runId)).run)
  return detail(run.runId)
}

export const runActionHandlers = { cancelRun, resumeRun }

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
