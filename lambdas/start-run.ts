import { RoslinError } from '../core/errors.ts'
import type { Recipe } from '../core/recipe.ts'
import { hasEnded } from '../core/run.ts'
import type { StartedBy } from '../core/started-by.ts'
import type { Reopening, Terms } from '../core/store/ledger.ts'
import type { Run } from '../core/store/run-store.ts'
import { ledger, runs } from './clients.ts'
import { concurrentRuns, deployment, monthlyLimitUsd } from './environment.ts'
import { startExecution } from './executions.ts'
import { logger } from './logger.ts'
import { planRecipe } from './pinning.ts'
import { settleIfDone } from './settle.ts'

type RunIdentity = Pick<Run, 'runId' | 'createdAt'>

/**
 * The one way in: plans, stores the run with its share of the budget, starts its flow. Done again, it goes on with the run that it stored.
 * @throws RoslinError for a recipe that cannot be planned or paid, and then there is no run; RUN_NOT_STARTED.
 */
export async function startRun(recipe: Recipe, startedBy: StartedBy, identity: RunIdentity): Promise<void> {
  const run = { ...identity, startedBy }
  const deployed = deployment()
  // Planned here for its errors and its price: a recipe that cannot be planned or paid leaves no run behind.
  const { reservedUsd } = await planRecipe(run, recipe, deployed)
  const terms = termsOf(reservedUsd)
  const isNew = await ledger.open({ ...run, team: deployed.team, recipe }, terms)
  if (!isNew) return startAgain(run.runId, terms)
  logger.info('run opened', { runId: run.runId, recipe: recipe.name, reservedUsd })
  await startFlow({ runId: run.runId, execution: 0 })
}

/** What was started stays as it is, or as it has ended. */
async function startAgain(runId: string, terms: Terms): Promise<void> {
  const run = (await runs.get(runId))?.run
  if (!run) throw new Error(`run ${runId} was stored, and is not there`)
  if (!wasNotStarted(run)) {
    if (!hasEnded(run.status)) await startFlow(run)
    return
  }
  const { recipe, from } = run
  const reopening = { requestId: runId, recipe, from, note: 'Sent again.', at: new Date().toISOString() }
  if (!(await reopenRun(run, reopening, terms))) throw notStarted(runId)
}

/** It failed because its flow could not be started: nothing of it was done. */
export function wasNotStarted({ status, failure }: Run): boolean {
  return status === 'failed' && failure?.code === 'RUN_NOT_STARTED'
}

/**
 * Begins the next execution of an ended run. False when it cannot be reopened, by now.
 * @throws RoslinError BUDGET_EXCEEDED, TOO_MANY_RUNS, RUN_NOT_STARTED
 */
export async function reopenRun(run: Run, reopening: Reopening, terms: Terms): Promise<boolean> {
  const reopened = await ledger.reopen(run, reopening, terms)
  if (reopened) await startFlow({ runId: run.runId, execution: run.execution + 1 })
  return reopened
}

/** What a run may cost, within what the team may have. */
export function termsOf(usd: number): Terms {
  return { usd, monthlyLimitUsd: monthlyLimitUsd(), concurrentRuns: concurrentRuns() }
}

/** @throws RoslinError RUN_NOT_STARTED, and then the run has failed: the caller knows, and may resume it. */
export async function startFlow({ runId, execution }: Pick<Run, 'runId' | 'execution'>): Promise<void> {
  try {
    await startExecution({ runId, execution })
  } catch (error) {
    logger.error('execution not started', { runId, error: error as Error })
    const problem = notStarted(runId)
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

function notStarted(runId: string): RoslinError {
  return new RoslinError(
    'RUN_NOT_STARTED',
    `The flow of run ${runId} could not be started: the run is stored, and has failed.`,
    `In a minute, resume it (roslin runs resume ${runId}), or send the same request again under its Idempotency-Key.`,
  )
}
