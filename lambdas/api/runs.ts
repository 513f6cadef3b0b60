import { RoslinError } from '../../core/errors.ts'
import { parseRecipe } from '../../core/recipe.ts'
import { changesOfRun } from '../../core/run-events.ts'
import { type RunDetail, runDetail, runListItem } from '../../core/run-view.ts'
import type { RunWithAttempts } from '../../core/store/run-store.ts'
import { runLists, runs } from '../clients.ts'
import { variable } from '../environment.ts'
import { startRun } from '../start-run.ts'
import { decodeCursor, encodeCursor, runPosition } from './cursor.ts'
import type { Handlers } from './serve.ts'
import { waitingReason } from './waiting.ts'

/** The run's id is the request's: sent again, it finds the run that it made. */
const createRun: Handlers['createRun'] = async ({ body, request, caller }) => {
  const run = { runId: request.id, createdAt: request.at }
  await startRun(parseRecipe(body.recipe), caller, run)
  return detail(run.runId)
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
