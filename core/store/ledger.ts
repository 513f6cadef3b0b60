import { setTimeout as sleep } from 'node:timers/promises'
import { monthOf, roundUpUsd, type TeamUsage } from '../budget.ts'
import { RoslinError } from '../errors.ts'
import type { Recipe } from '../recipe.ts'
import { type FlowStep, runPosition } from '../run.ts'
import { type StartedBy, startedByText } from '../started-by.ts'
import type { Run } from './run-store.ts'
import type { RoslinTable } from './table.ts'

export interface NewRun {
  readonly runId: string
  readonly team: string
  readonly recipe: Recipe
  readonly createdAt: string
  readonly startedBy?: StartedBy
}

/** An ended run that goes on. */
export interface Reopening {
  readonly recipe: Recipe
  readonly from: FlowStep
  readonly note: string
  readonly at: string
}

/** What a run may cost, and what its team may spend in a month; undefined: no limit. */
export interface Price {
  readonly usd: number
  readonly monthlyLimitUsd: number | undefined
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
   * Stores a run as queued, with its share of the month's budget.
   * @throws RoslinError BUDGET_EXCEEDED, and then there is no run.
   */
  async open({ recipe, ...run }: NewRun, price: Price): Promise<void> {
    const month = monthOf(run.createdAt)
    if (price.usd > (price.monthlyLimitUsd ?? NO_LIMIT_USD))
      throw await this.#exceeded(run.team, month, price)
    const results = await this.#write(({ run: runs, teamMonth }) => [
      runs
        .create({
          ...run,
          recipe,
          recipeName: recipe.name,
          status: 'queued',
          execution: 0,
          from: 'prepare',
          position: runPosition('queued'),
          timeline: [{ status: 'queued', at: run.createdAt, ...startNote(run.startedBy) }],
          reservation: { month, usd: price.usd },
          openTeam: run.team,
        })
        .commit(),
      reserve(teamMonth, run.team, month, price),
    ])
    if (results === 'written') return
    if (results[0]) throw new Error(`there is a run ${run.runId} already`)
    throw await this.#exceeded(run.team, month, price)
  }

  /**
   * An ended and settled run becomes queued again, under the next execution. False when it is not ended, not settled, or
   * was reopened by someone else.
   * @throws RoslinError BUDGET_EXCEEDED, and then the run is as it was.
   */
  async reopen(run: Run, { recipe, from, note, at }: Reopening, price: Price): Promise<boolean> {
    const { runId, team } = run
    const execution = run.execution + 1
    const month = monthOf(at)
    if (price.usd > (price.monthlyLimitUsd ?? NO_LIMIT_USD)) throw await this.#exceeded(team, month, price)
    const results = await this.#write(({ run: runs, teamMonth }) => [
      runs
        .patch({ runId })
        .set({
          recipe,
          from,
          execution,
          status: 'queued',
          position: runPosition('queued', { execution }),
          reservation: { month, usd: price.usd },
          openTeam: team,
        })
        .remove(['endedAt', 'failure', 'budgetNoticeAt'])
        .data(({ timeline }, { append }) => append(timeline, [{ status: 'queued', at, note }]))
        .where(
          ({ endedAt, reservation, execution: current }, { eq, exists, notExists }) =>
            `${exists(endedAt)} AND ${notExists(reservation)} AND ${eq(current, run.execution)}`,
        )
        .commit(),
      reserve(teamMonth, team, month, price),
    ])
    if (results === 'written') return true
    if (results[0]) return false
    throw await this.#exceeded(team, month, price)
  }

  /**
   * Accounts what an ended run has cost and gives back what it did not. Again with another cost, it accounts the difference;
   * false when the run has changed since it was read.
   */
  async settle(run: Run, costUsd: number): Promise<boolean> {
    const { runId, team, reservation, spentUsd } = run
    const month = reservation?.month ?? monthOf(run.endedAt ?? run.createdAt)
    const cost = roundUpUsd(costUsd)
    const difference = roundUpUsd(cost - (spentUsd ?? 0))
    const results = await this.#write(({ run: runs, teamMonth }) => [
      runs
        .patch({ runId })
        .set({ spentUsd: cost })
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
    ])
    return results === 'written'
  }

  async usage(team: string, month: string): Promise<TeamUsage> {
    const { data } = await this.#table.entities.teamMonth.get({ team, month }).go({ consistent: true })
    return { month, committedUsd: data?.committedUsd ?? 0, spentUsd: data?.spentUsd ?? 0 }
  }

  /** 'written', or of each write whether its condition failed. */
  async #write(writes: Writes): Promise<'written' | readonly boolean[]> {
    for (let attempt = 1; ; attempt++) {
      const { canceled, data } = await this.#table.transaction.write(writes).go()
      if (!canceled) return 'written'
      const codes = (data as readonly { readonly code: string }[]).map(({ code }) => code)
      const failed = codes.map((code) => code === 'ConditionalCheckFailed')
      if (failed.some(Boolean)) return failed
      if (attempt === CONFLICT_TRIES) throw new Error(`the money could not be written: ${codes.join(', ')}`)
      await sleep(Math.random() * CONFLICT_WAIT_MILLISECONDS * attempt)
    }
  }

  async #exceeded(team: string, month: string, { usd, monthlyLimitUsd }: Price): Promise<RoslinError> {
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

/** Said of what nobody asked for in that moment. */
function startNote(startedBy: StartedBy | undefined): { readonly note?: string } {
  return startedBy && startedBy.kind !== 'person' ? { note: `Started by ${startedByText(startedBy)}.` } : {}
}

/** More than anybody has: the comparison holds. */
const NO_LIMIT_USD = 1e12

/** Only where the month has as much left. That the limit itself is enough was asked before. */
function reserve(teamMonth: TeamMonths, team: string, month: string, { usd, monthlyLimitUsd }: Price) {
  const mostCommittedUsd = roundUpUsd((monthlyLimitUsd ?? NO_LIMIT_USD) - usd)
  return teamMonth
    .upsert({ team, month })
    .add({ committedUsd: usd })
    .where(
      ({ committedUsd }, { lte, notExists }) =>
        `${notExists(committedUsd)} OR ${lte(committedUsd, mostCommittedUsd)}`,
    )
    .commit()
}
