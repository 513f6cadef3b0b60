import { RoslinError } from '../core/errors.ts'
import type { Recipe } from '../core/recipe.ts'
import type { StartedBy } from '../core/started-by.ts'
import type { Terms } from '../core/store/ledger.ts'
import type { Run } from '../core/store/run-store.ts'
import { ledger, runs } from './clients.ts'
import { concurrentRuns, deployment, monthlyLimitUsd } from './environment.ts'
import { startExecution } from './executions.ts'
import { logger } from './logger.ts'
import { planRecipe } from './pinning.ts'
import { settleIfDone } from './settle.ts'

type RunIdentity = Pick<Run, 'runId' | 'createdAt'>

/**
 * The one way in: plans, stores the run with its share of the budget, starts its flow.
 * @throws RoslinError for a recipe that cannot be planned or paid, and then there is no run; RUN_NOT_STARTED.
 */
export async function startRun(recipe: Recipe, startedBy: StartedBy, identity: RunIdentity): Promise<void> {
  const run = { ...identity, startedBy }
  const deployed = deployment()
  // Planned here for its errors and its price: a recipe that cannot be planned or paid leaves no run behind.
  const { reservedUsd } = await planRecipe(run, recipe, deployed)
  await ledger.open({ ...run, team: deployed.team, recipe }, termsOf(reservedUsd))
  logger.info('run opened', { runId: run.runId, recipe: recipe.name, reservedUsd })
  await startFlow({ runId: run.runId, execution: 0 })
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
