import type { GivenSize } from '../core/data-size.ts'
import type { Estimate } from '../core/estimate-schema.ts'
import type { Recipe } from '../core/recipe.ts'
import type { Client } from './client.ts'
import { localSize } from './local-size.ts'

/** The deployment's estimate; how much data lies beside the recipe it is told, for the files are not sent up yet. */
export async function askForEstimate(
  client: Client,
  recipe: Recipe,
  recipeFile: string,
  given: GivenSize = {},
): Promise<Estimate> {
  const found = await localSize(recipe, recipeFile)
  const rows = given.rows ?? found?.rows
  const tokensPerRow = given.tokensPerRow ?? found?.tokensPerRow
  const estimate = await client.createEstimate({ recipe, rows, tokensPerRow })
  const isFound = found !== undefined && given.rows === undefined && given.tokensPerRow === undefined
  return isFound ? { ...estimate, data: { ...estimate.data, because: found.because } } : estimate
}
