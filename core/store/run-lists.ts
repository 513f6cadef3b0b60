import { Buffer } from 'node:buffer'
import { z } from 'zod'
import { hasEnded, type RunStatus } from '../run.ts'
import type { ListedRun } from './run-store.ts'
import type { RoslinTable } from './table.ts'

export interface RunFilter {
  readonly recipe?: string | undefined
  readonly status?: RunStatus | undefined
  readonly model?: string | undefined
}

export interface RunPage {
  readonly runs: readonly ListedRun[]
  /** The id of the last run that was looked at, where there may be older ones. */
  readonly cursor: string | null
}

/** Lists of runs, newest first: one query a page, whatever the number of runs. */
export class RunLists {
  readonly #table: RoslinTable

  constructor(table: RoslinTable) {
    this.#table = table
  }

  /**
   * Those older than the run `before`. One condition is an index; of several, the others are asked of what one query reads
   * (1 MB), so that a page may be short while there is a cursor.
   */
  async list(team: string, limit: number, before: string | null, filter: RunFilter = {}): Promise<RunPage> {
    const { query, left } = this.#index(team, before, filter)
    const { recipe, status } = left
    const isExact = Object.values(left).every((value) => value === undefined)
    const { data, cursor } = await query
      .where((run, { eq }) =>
        [recipe && eq(run.recipeName, recipe), status && eq(run.status, status)]
          .filter(Boolean)
          .join(' AND '),
      )
      // One more than asked for tells whether there is a next page.
      .go({ order: 'desc', ...(isExact && { limit: limit + 1 }) })
    const runs = data.slice(0, limit)
    const last = data.length > limit ? runs.at(-1)?.runId : cursor && runIdOf(cursor)
    return { runs, cursor: last ?? null }
  }

  /** The index of one of the conditions, from `before` on, and the conditions that are left. */
  #index(team: string, before: string | null, { recipe, status, model }: RunFilter) {
    const { byModel, byRecipe, byOutcome, byTeam, open } = this.#table.entities.run.query
    // ElectroDB has a type of its own for each index.
    const choose = (query: unknown, left: RunFilter) => ({ query: query as ReturnType<typeof byTeam>, left })
    const from = before ?? LAST_ID
    if (model) return choose(byModel({ modelName: model }).lt({ modelRunId: from }), { recipe, status })
    if (recipe) return choose(byRecipe({ recipeName: recipe }).lt({ runId: from }), { status })
    if (!status) return choose(byTeam({ team }).lt({ runId: from }), {})
    return hasEnded(status)
      ? choose(byOutcome({ outcome: status }).lt({ endedRunId: from }), {})
      : choose(open({ openTeam: team }).lt({ runId: from }), { status })
  }
}

/** Greater than every run's id. */
const LAST_ID = '~'

/** From where DynamoDB would go on: ElectroDB's cursor is the last item's key. */
function runIdOf(cursor: string): string {
  const { pk } = z.object({ pk: z.string() }).parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()))
  return pk.slice(pk.lastIndexOf('_') + 1)
}
