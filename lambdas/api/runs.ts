import { RoslinError } from '../../core/errors.ts'
import { parseRecipe } from '../../core/recipe.ts'
import { changesOfRun } from '../../core/run-events.ts'
import { type RunDetail, runDetail, runListItem } from '../../core/run-view.ts'
import type { Terms } from '../../core/store/ledger.ts'
import type { Run, RunWithAttempts } from '../../core/store/run-store.ts'
import { ledger, runLists, runs } from '../clients.ts'
import { concurrentRuns, deployment, monthlyLimitUsd, variable } from '../environment.ts'
import { startExecution } from '../executions.ts'
import { logger } from '../logger.ts'
import { planRecipe } from '../pinning.ts'
import { settleIfDone } from '../settle.ts'
import { decodeCursor, encodeCursor, runPosition } from './cursor.ts'
import type { Handlers } from './serve.ts'
import { waitingReason } from './waiting.ts'

/** The run's id is the request's: sent again, it finds the run that it made. */
const createRun: Handlers['createRun'] = async ({ body, request }) => {
  const recipe = parseRecipe(body.recipe)
  const run = { runId: request.id, createdAt: request.at }
  const deployed = deployment()
  // Planned here for its errors and its price: a recipe that cannot be planned or paid leaves no run behind.
  const { reservedUsd } = await planRecipe(run, recipe, deployed)
  await ledger.open({ ...run, team: deployed.team, recipe }, termsOf(reservedUsd))
  await start({ runId: run.runId, execution: 0 })
  return detail(run.runId)
}

/** What a run may cost, within what the team may have. */
export function termsOf(usd: number): Terms {
  return { usd, monthlyLimitUsd: monthlyLimitUsd(), concurrentRuns: concurrentRuns() }
}

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

const listRuns: Handlers['listRuns'] = async ({ query: { limit, cursor, ...filter } }) => {
  const page = await runLists.list(variable('TEAM'), limit, decodeCursor(cursor, runPosition), filter)
  const now = new Date()
  return { runs: page.runs.map((run) => runListItem(run, now)), cursor: encodeCursor(page.cursor) }
}

const getRun: Handlers['getRun'] = ({ params }) => detail(params.runId)

const getRunEvents: Handlers['getRunEvents'] = async ({ params }) => {
  const { run } = await found(params.runId)
  return { events: changesOfRun(run) }
}

export const runHandlers = { createRun, listRuns, getRun, getRunEvents }

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
