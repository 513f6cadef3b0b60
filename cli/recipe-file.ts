import { parseRecipe, type Recipe } from '../core/recipe.ts'
import { readYaml } from './yaml-file.ts'

/** @throws RoslinError RECIPE_INVALID for a file that is not there, is no YAML, or is no recipe. */
export function readRecipe(file: string): Recipe {
  return parseRecipe(
    readYaml(file, 'RECIPE_INVALID', 'Give the path of a recipe, such as recipes/dolly-mini.yaml.'),
  )
}
