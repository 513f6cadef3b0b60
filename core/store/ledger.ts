import { setTimeout as sleep } from 'node:timers/promises'
import { monthOf, roundUpUsd, type TeamUsage } from '../budget.ts'
import { RoslinError } from '../errors.ts'
import type { Recipe } from '../recipe.ts'
import { type FlowStep, runPosition } from '../run.ts'
import { type StartedBy, startedByText } from '../started-by.ts'
import type { Run } from './run-store.ts'
import type { RoslinTable, UsedRecipe } from './table.ts'

export interface NewRun {
  readonly runId: string
  readonly team: string
  readonly recipe: Recipe
  readonly createdAt: string
  readonly startedBy?: StartedBy
}

/** An ended run that goes on. */
export interface Reopening {
  readonly requestId: string
  readonly recipe: Recipe
  readonly from: FlowStep
  readonly note: string
  readonly at: string
}

/** What a run may cost, and what its team may have; undefined: no limit. */
export interface Terms {
  readonly usd: number
  readonly monthlyLimitUsd: number | undefined
  readonly concurrentRuns?: number | undefined
}

/** Two writers met at one item: DynamoDB refuses both, and one of them tries again. */
const CONFLICT_TRIES = 12
const CONFLICT_WAIT_MILLISECONDS = 40

/** The writes in which a run and its team's money change together, or not at all. */
export class Ledger {
  readonly #table: RoslinTable

  constructor(table: RoslinTable) {
    this.#table = table
  }

  /**
   * Stores a run as queued, with its share of the month's budget and a place among the team's open runs. False when there is
   * a run with its id already: the same request once more.
   * @throws RoslinError BUDGET_EXCEEDED, TOO_MANY_RUNS, and then there is no run.
   */
  async open({ recipe, ...run }: NewRun, terms: Terms): Promise<boolean> {
    const { runId, team, createdAt } = run
    const month = monthOf(createdAt)
    const failed = await this.#write(({ run: runs, runRecipe, teamMonth, teamRuns, usedRecipe }) => [
      runs
        .create({
          ...run,
          recipeName: recipe.name,
          status: 'queued',
          execution: 0,
          from: 'prepare',
          position: runPosition('queued'),
          timeline: [{ status: 'queued', at: createdAt, ...startNote(run.startedBy) }],
          reservation: { month, usd: terms.usd },
          openTeam: team,
        })
        .commit(),
      reserve(teamMonth, team, month, terms),
      admit(teamRuns, team, terms),
      runRecipe.put({ runId, recipe }).commit(),
      usedRecipe
        .upsert({ team, name: recipe.name, newestRunId: runId, newestRunAt: createdAt })
        .add({ runs: 1 })
        .commit(),
    ])
    return this.#granted(failed, team, month, terms)
  }

  /**
   * An ended and settled run becomes queued again, under the next execution. False when it is not ended, not settled, or
   * was reopened by someone else.
   * @throws RoslinError BUDGET_EXCEEDED, TOO_MANY_RUNS, and then the run is as it was.
   */
  async reopen(run: Run, { requestId, recipe, from, note, at }: Reopening, terms: Terms): Promise<boolean> {
    const { runId, team } = run
    const execution = run.execution + 1
    const month = monthOf(at)
    const failed = await this.#write(({ run: runs, runRecipe, teamMonth, teamRuns }) => [
      runs
        .patch({ runId })
        .set({
          from,
          execution,
          status: 'queued',
          position: runPosition('queued', { execution }),
          reservation: { month, usd: terms.usd },
          openTeam: team,
          reopenedBy: requestId,
        })
        .remove(['endedAt', 'outcome', 'endedRunId', 'failure', 'budgetNoticeAt'])
        .data(({ timeline }, { append }) => append(timeline, [{ status: 'queued', at, note }]))
        .where(
          ({ endedAt, reservation, execution: current }, { eq, exists, notExists }) =>
            `${exists(endedAt)} AND ${notExists(reservation)} AND ${eq(current, run.execution)}`,
        )
        .commit(),
      reserve(teamMonth, team, month, terms),
      admit(teamRuns, team, terms),
      runRecipe.put({ runId, recipe }).commit(),
    ])
    return this.#granted(failed, team, month, terms)
  }

  /**
   * Accounts what an ended run has cost and gives back what it did not. Again with another cost, it accounts the difference in
   * the same month; false when the run has changed since it was read.
   */
  async settle(run: Run, costUsd: number): Promise<boolean> {
    const { runId, team, reservation, spentUsd } = run
    const month = reservation?.month ?? run.spentMonth ?? monthOf(run.endedAt ?? run.createdAt)
    const cost = roundUpUsd(costUsd)
    const difference = roundUpUsd(cost - (spentUsd ?? 0))
    const failed = await this.#write(({ run: runs, teamMonth, teamRuns }) => [
      runs
        .patch({ runId })
        .set({ spentUsd: cost, spentMonth: month })
        .remove(['reservation', 'openTeam'])
        .where(
          (stored, { eq, exists, notExists }) =>
            `${exists(stored.endedAt)} AND ${eq(stored.execution, run.execution)}` +
            ` AND ${reservation ? exists(stored.reservation) : notExists(stored.reservation)}` +
            ` AND ${spentUsd === undefined ? notExists(stored.spentUsd) : eq(stored.spentUsd, spentUsd)}`,
        )
        .commit(),
      teamMonth
        .upsert({ team, month })
        .add({ committedUsd: roundUpUsd(difference - (reservation?.usd ?? 0)), spentUsd: difference })
        .commit(),
      ...(reservation ? [teamRuns.upsert({ team }).add({ open: -1 }).commit()] : []),
    ])
    return !failed.some(Boolean)
  }

  /** Runs of the team that have not both ended and been accounted. */
  async openRuns(team: string): Promise<number> {
    const { data } = await this.#table.entities.teamRuns.get({ team }).go({ consistent: true })
    return data?.open ?? 0
  }

  async usedRecipe(team: string, name: string): Promise<UsedRecipe | undefined> {
    const { data } = await this.#table.entities.usedRecipe.get({ team, name }).go()
    return data ? usedRecipe(data) : undefined
  }

  /** The team's recipes that were run, by name. */
  async usedRecipes(team: string): Promise<readonly UsedRecipe[]> {
    const { data } = await this.#table.entities.usedRecipe.query.byName({ team }).go({ pages: 'all' })
    return data.map(usedRecipe)
  }

  async usage(team: string, month: string): Promise<TeamUsage> {
    const { data } = await this.#table.entities.teamMonth.get({ team, month }).go({ consistent: true })
    return { month, committedUsd: data?.committedUsd ?? 0, spentUsd: data?.spentUsd ?? 0 }
  }

  /** Of each write whether its condition failed; if one has, none was written. */
  async #write(writes: Writes): Promise<readonly boolean[]> {
    for (let attempt = 1; ; attempt++) {
      const { canceled, data } = await this.#table.transaction.write(writes).go()
      if (!canceled) return []
      const codes = (data as readonly { readonly code: string }[]).map(({ code }) => code)
      const failed = codes.map((code) => code === 'ConditionalCheckFailed')
      if (failed.some(Boolean)) return failed
      if (attempt === CONFLICT_TRIES) throw new Error(`the money could not be written: ${codes.join(', ')}`)
      await sleep(Math.random() * CONFLICT_WAIT_MILLISECONDS * attempt)
    }
  }

  /** Of a run's writes: first the run's own, then its budget's, then its place's. */
  async #granted(
    [run, budget, place]: readonly boolean[],
    team: string,
    month: string,
    terms: Terms,
  ): Promise<boolean> {
    if (run) return false
    if (budget) throw await this.#exceeded(team, month, terms)
    if (place) throw tooManyRuns(terms)
    return true
  }

  /** @throws RoslinError BUDGET_EXCEEDED or TOO_MANY_RUNS where a run could not be opened now; it reserves nothing. */
  async check(team: string, month: string, terms: Terms): Promise<void> {
    const [{ committedUsd }, openRuns] = await Promise.all([this.usage(team, month), this.openRuns(team)])
    if (committedUsd > mostCommittedUsd(terms)) throw await this.#exceeded(team, month, terms)
    if (openRuns >= (terms.concurrentRuns ?? NO_LIMIT_RUNS)) throw tooManyRuns(terms)
  }

  async #exceeded(team: string, month: string, { usd, monthlyLimitUsd }: Terms): Promise<RoslinError> {
    const { committedUsd, spentUsd } = await this.usage(team, month)
    const leftUsd = Math.max(0, (monthlyLimitUsd ?? 0) - committedUsd)
    return new RoslinError(
      'BUDGET_EXCEEDED',
      `The run may cost $${usd.toFixed(2)}, and of the team's $${monthlyLimitUsd} for ${month} $${leftUsd.toFixed(2)} is left: ` +
        `$${spentUsd.toFixed(2)} is spent, $${(committedUsd - spentUsd).toFixed(2)} is reserved by runs under way.`,
      'Set limits.maxUsd in the recipe to what is left or less, wait for a run to end, or raise budget.monthlyUsd in the team file and deploy.',
    )
  }
}

type Writes = Parameters<RoslinTable['transaction']['write']>[0]
type TeamMonths = Parameters<Writes>[0]['teamMonth']

type TeamRuns = Parameters<Writes>[0]['teamRuns']
/** Said of what nobody asked for in that moment. */
function startNote(startedBy: StartedBy | undefined): { readonly note?: string } {
  return startedBy && startedBy.kind !== 'person' ? { note: `Started by ${startedByText(startedBy)}.` } : {}
}

/** More than anybody has: the comparison holds. */
const NO_LIMIT_USD = 1e12
const NO_LIMIT_RUNS = 1e9

/** Before a run of this price is opened. Negative where the limit itself is too little. */
function mostCommittedUsd({ usd, monthlyLimitUsd }: Terms): number {
  return roundUpUsd((monthlyLimitUsd ?? NO_LIMIT_USD) - usd)
}

/** Only where the month has as much left. */
function reserve(teamMonth: TeamMonths, team: string, month: string, terms: Terms) {
  const most = mostCommittedUsd(terms)
  return teamMonth
    .upsert({ team, month })
    .add({ committedUsd: terms.usd })
    .where(({ committedUsd }, { lte, notExists }) =>
      most < 0 ? lte(committedUsd, most) : `${notExists(committedUsd)} OR ${lte(committedUsd, most)}`,
    )
    .commit()
}

/** Only where a place is left. */
function admit(teamRuns: TeamRuns, team: string, { concurrentRuns = NO_LIMIT_RUNS }: Terms) {
  return teamRuns
    .upsert({ team })
    .add({ open: 1 })
    .where(({ open }, { lt, notExists }) => `${notExists(open)} OR ${lt(open, concurrentRuns)}`)
    .commit()
}

function usedRecipe({
  name,
  runs = 0,
  newestRunId,
  newestRunAt,
}: Omit<UsedRecipe, 'runs'> & { readonly runs?: number }): UsedRecipe {
  return { name, runs, newestRunId, newestRunAt }
}

function tooManyRuns({ concurrentRuns }: Terms): RoslinError {
  return new RoslinError(
    'TOO_MANY_RUNS',
    `The team has ${concurrentRuns} runs that have not ended, and may have no more.`,
    'Wait for one to end, cancel one, or raise limits.concurrentRuns in the team file and deploy.',
  )
}
