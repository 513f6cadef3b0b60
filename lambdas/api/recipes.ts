import { z } from 'zod'
import { monthOf } from '../../core/budget.ts'
import { inBucket } from '../../core/deployed-recipe.ts'
import { RoslinError } from '../../core/errors.ts'
import type { Plan } from '../../core/plan.ts'
import { parseRecipe, recipeSchema } from '../../core/recipe.ts'
import { RECIPES_FILE } from '../../core/recipe-folder.ts'
import type { Validation } from '../../core/recipe-view.ts'
import { ledger, runs } from '../clients.ts'
import { deployedFile } from '../deployed-file.ts'
import { deployment, variable } from '../environment.ts'
import { planRecipe } from '../pinning.ts'
import { termsOf } from '../start-run.ts'
import type { Handlers } from './serve.ts'

const NEVER_RUN = { runs: 0, newestRunId: null, newestRunAt: null }

const listRecipes: Handlers['listRecipes'] = async () => {
  const deployed = new Set(deployedRecipes().map(({ name }) => name))
  const used = await ledger.usedRecipes(variable('TEAM'))
  const run = new Set(used.map(({ name }) => name))
  const recipes = [
    ...used.map((recipe) => ({ ...recipe, deployed: deployed.has(recipe.name) })),
    ...[...deployed].filter((name) => !run.has(name)).map((name) => ({ name, ...NEVER_RUN, deployed: true })),
  ]
  return { recipes: recipes.sort((a, b) => (a.name < b.name ? -1 : 1)) }
}

const getRecipe: Handlers['getRecipe'] = async ({ params: { name } }) => {
  const used = await ledger.usedRecipe(variable('TEAM'), name)
  const deployed = deployedRecipes().find((recipe) => recipe.name === name)
  if (deployed) {
    return {
      ...(used ?? { name, ...NEVER_RUN }),
      deployed: true,
      recipe: inBucket(deployed, variable('BUCKET_NAME')),
    }
  }
  const newest = used && (await runs.get(used.newestRunId))
  if (newest) return { ...used, deployed: false, recipe: newest.run.recipe }
  throw new RoslinError(
    'RECIPE_NOT_FOUND',
    `No recipe named ${name} is deployed, and no run had one.`,
    'GET /v1/recipes lists those there are.',
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

/** Those of the team file's recipeFolder. */
const deployedRecipes = () => deployedFile(RECIPES_FILE, z.array(recipeSchema))

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
