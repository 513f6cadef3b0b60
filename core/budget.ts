import { RoslinError } from './errors.ts'
import type { Recipe } from './recipe.ts'

/** What a run may cost in all, and its parts. US dollars, rounded up to a hundredth of a cent. */
export interface RunBudget {
  readonly totalUsd: number
  /** All training jobs together: at the limit the trainer saves a checkpoint and stops. */
  readonly trainingUsd: number
  /** One evaluation; its job is ended when it would take more. */
  readonly evaluationUsd: number
}

const EVALUATION_SHARE = 0.1
/** Loading a model of some billion parameters a few times, and answering some prompts. */
const LEAST_JOB_HOURS = 1 / 6

/**
 * limits.maxUsd, or what limits.maxHours on the dearest option come to, whichever is less. A part is kept for the evaluation,
 * which runs on one machine however many `nodes` train.
 * @throws RoslinError LIMIT_TOO_LOW where maxUsd leaves nothing to train with.
 */
export function runBudget(
  { maxHours, maxUsd }: Recipe['limits'],
  dearestUsdPerHour: number,
  nodes = 1,
): RunBudget {
  const leastUsd = LEAST_JOB_HOURS * dearestUsdPerHour
  const trainingUsd = maxHours * dearestUsdPerHour * nodes
  const evaluationUsd = Math.max(trainingUsd * EVALUATION_SHARE, leastUsd)
  if (maxUsd === undefined || maxUsd >= trainingUsd + evaluationUsd) {
    return {
      totalUsd: roundUpUsd(trainingUsd + evaluationUsd),
      trainingUsd: roundUpUsd(trainingUsd),
      evaluationUsd: roundUpUsd(evaluationUsd),
    }
  }
  const shareUsd = roundUpUsd(Math.max(maxUsd * EVALUATION_SHARE, leastUsd))
  if (shareUsd > maxUsd / 2) {
    throw new RoslinError(
      'LIMIT_TOO_LOW',
      `limits.maxUsd of $${maxUsd} leaves too little to train with: ten minutes of evaluation alone may cost $${shareUsd} at $${dearestUsdPerHour} an hour.`,
      `Allow at least $${roundUpUsd(2 * leastUsd)}, or narrow the run to a cheaper machine with resources.maxPriceUsdPerHour.`,
    )
  }
  return { totalUsd: maxUsd, trainingUsd: roundUpUsd(maxUsd - shareUsd), evaluationUsd: shareUsd }
}

/** What to do where a recipe's limits allow no more. */
export const RAISE_LIMITS =
  'Raise limits.maxUsd or limits.maxHours (roslin runs resume --max-usd, --max-hours): the one that allows less counts.'

/**
 * What must be left of a run's training budget to train any further: time to load a model and to save it once more. However
 * small the budget is, half of it is for that.
 */
export function leastTrainingUsd(budgetUsd: number, usdPerHour: number, nodes: number): number {
  return roundUpUsd(Math.min(LEAST_JOB_HOURS * usdPerHour * nodes, budgetUsd / 2))
}

/** What must be left of a run's limit for an evaluation on a machine of this price. */
export function leastEvaluationUsd(usdPerHour: number): number {
  return roundUpUsd(LEAST_JOB_HOURS * usdPerHour)
}

/** Seconds that an evaluation may take of what is left of a run's limit; undefined where that is too little for one. */
export function evaluationSeconds(leftUsd: number, usdPerHour: number): number | undefined {
  return leftUsd < leastEvaluationUsd(usdPerHour) ? undefined : Math.floor((leftUsd / usdPerHour) * 3600)
}

/** Sums of these stay exact enough to compare. */
export function roundUpUsd(usd: number): number {
  return Math.ceil(usd * 1e4 - 1e-6) / 1e4
}

/** The month that a moment's spending counts in, UTC. */
export function monthOf(at: string): string {
  return at.slice(0, 7)
}

/** A notice goes out when this share of a budget is spent or reserved. */
export const NOTICE_SHARE = 0.8

/** A team's money in one month. `committedUsd` is what was spent and what runs under way may still spend. */
export interface TeamUsage {
  readonly month: string
  readonly committedUsd: number
  readonly spentUsd: number
}
