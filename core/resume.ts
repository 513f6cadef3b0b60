import { leastEvaluationUsd, leastTrainingUsd, RAISE_LIMITS } from './budget.ts'
import { costUsd } from './cost.ts'
import { RoslinError } from './errors.ts'
import type { Plan } from './plan.ts'
import { type FlowStep, STEPS } from './run.ts'
import type { Attempt, Run } from './store/run-store.ts'

type Spending = Pick<Run, 'runId' | 'spentUsd' | 'options'> & { readonly attempts: readonly Attempt[] }
type Limits = Pick<Plan, 'recipe' | 'capacity' | 'reservedUsd' | 'trainingBudgetUsd'>

/**
 * The step that an ended run goes on with: the first that is not done, or an earlier one that is asked for.
 * @throws RoslinError STEP_NOT_REACHED
 */
export function stepToBeginWith(
  runId: string,
  attempts: readonly Pick<Attempt, 'step' | 'jobStatus'>[],
  wanted: FlowStep | undefined,
): FlowStep {
  const next = STEPS.find((step) => !isDone(step, attempts)) ?? 'register'
  if (!wanted) return next
  if (STEPS.indexOf(wanted) <= STEPS.indexOf(next)) return wanted
  throw new RoslinError(
    'STEP_NOT_REACHED',
    `Run ${runId} cannot go on with ${wanted}: its ${next} is not done.`,
    `Begin with ${next} or an earlier step.`,
  )
}

function isDone(step: FlowStep, attempts: readonly Pick<Attempt, 'step' | 'jobStatus'>[]): boolean {
  return attempts.some((attempt) => attempt.step === step && attempt.jobStatus === 'SUCCEEDED')
}

/**
 * What a run that goes on with a step may still spend of its limit. US dollars.
 * @throws RoslinError LIMIT_TOO_LOW where that is too little for the step.
 */
export function remainingUsd(
  { runId, spentUsd = 0, options = [], attempts }: Spending,
  from: FlowStep,
  { recipe, capacity, reservedUsd, trainingBudgetUsd }: Limits,
): number {
  const usdPerHour = capacity[0]?.priceUsdPerHour ?? 0
  const leftUsd = reservedUsd - spentUsd
  if (leftUsd <= 0) throw tooLow(`Run ${runId}`, spentUsd, reservedUsd)
  const evaluationUsd = leastEvaluationUsd(usdPerHour)
  if (from === 'evaluate' && leftUsd < evaluationUsd) {
    const needed = `; an evaluation needs ${usd(evaluationUsd)} of it`
    throw tooLow(`Run ${runId}`, spentUsd, reservedUsd, needed)
  }
  const training = attempts.filter(({ step }) => step === 'train')
  if (isDone('train', training)) return leftUsd
  const trainedUsd = costUsd(training, options, new Date())
  const trainingUsd = leastTrainingUsd(trainingBudgetUsd, usdPerHour, recipe.resources.nodes)
  if (trainingBudgetUsd - trainedUsd < trainingUsd) {
    const needed = `; ${usd(trainingUsd)} must be left`
    throw tooLow(`Training of run ${runId}`, trainedUsd, trainingBudgetUsd, needed)
  }
  return leftUsd
}

function tooLow(what: string, costUsd: number, limitUsd: number, needed = ''): RoslinError {
  const message = `${what} has cost ${usd(costUsd)} of the ${usd(limitUsd)} it may cost${needed}.`
  return new RoslinError('LIMIT_TOO_LOW', message, RAISE_LIMITS)
}

const usd = (amount: number) => `$${amount.toFixed(2)}`
