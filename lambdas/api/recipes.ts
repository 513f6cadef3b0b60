import { monthOf } from '../../core/budget.ts'
import { RoslinError } from '../../core/errors.ts'
import type { Plan } from '../../core/plan.ts'
import { parseRecipe } from '../../core/recipe.ts'
import type { Validation } from '../../core/recipe-view.ts'
import { ledger, runs } from '../clients.ts'
import { deployment, variable } from '../environment.ts'
import { planRecipe } from '../pinning.ts'
import { termsOf } from '../start-run.ts'
import type { Handlers } from './serve.ts'

const listRecipes: Handlers['listRecipes'] = async () => ({
  recipes: await ledger.usedRecipes(variable('TEAM')),
})

const getRecipe: Handlers['getRecipe'] = async ({ params: { name } }) => {
  const used = await ledger.usedRecipe(variable('TEAM'), name)
  const newest = used && (await runs.get(used.newestRunId))
  if (newest) return { ...used, recipe: newest.run.recipe }
  throw new RoslinError(
    'RECIPE_NOT_FOUND',
    `No run had a recipe named ${name}.`,
    'GET /v1/recipes lists those that were run.',
  )
}

/** All that POST /v1/runs asks of a recipe, and nothing is stored. */
const validateRecipe: Handlers['validateRecipe'] = async ({ body, request }) => {
  try {
    const recipe = parseRecipe(body.recipe)
    const deployed = deployment()
    const plan = await planRecipe({ runId: request.id, createdAt: request.at }, recipe, deployed)
    await ledger.check(deployed.team, monthOf(request.at), termsOf(plan.reservedUsd))
    return { refusal: null, plan: planned(plan) }
  } catch (error) {
    if (!(error instanceof RoslinError)) throw error
    return { refusal: error.toProblem(), plan: null }
  }
}

export const recipeHandlers = { listRecipes, getRecipe, validateRecipe }

function planned({ baseModel, dataset, capacity, ...plan }: Plan): Validation['plan'] {
  return {
    reservedUsd: plan.reservedUsd,
    trainingBudgetUsd: plan.trainingBudgetUsd,
    capacity: capacity.map(
      ({ instanceType, purchase, priceUsdPerHour, priceCheckedOn, priceRegion, reason }) => ({
        instanceType,
        purchase,
        priceUsdPerHour,
        priceCheckedOn,
        priceRegion,
        reason,
      }),
    ),
    refusedCapacity: plan.refusedCapacity,
    baseModel: { source: baseModel.source, revision: baseModel.revision, parameters: baseModel.parameters },
    dataset: { uri: dataset.uri, sha256: dataset.sha256, rows: dataset.rows },
  }
}
