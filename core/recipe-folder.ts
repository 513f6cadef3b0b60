import { checkRemote } from './deployed-recipe.ts'
import { RoslinError } from './errors.ts'
import { parseRecipe, type Recipe } from './recipe.ts'
import type { Team } from './team.ts'

/** The recipes as JSON, beside the API's code. */
export const RECIPES_FILE = 'recipes.json'

/** How the recipes that a team file names are read, by their paths from the project's folder. */
export interface RecipeFiles {
  /** What the YAML file holds. */
  readonly read: (path: string) => unknown
  /** The paths of the YAML files in a folder. */
  readonly list: (folder: string) => readonly string[]
}

/**
 * The recipes of the team file's `recipeFolder`, by name.
 * @throws RoslinError TEAM_INVALID for an empty folder and for two of one name; RECIPE_INVALID
 */
export function resolveRecipeFolder({ recipeFolder }: Team, { read, list }: RecipeFiles): readonly Recipe[] {
  if (recipeFolder === undefined) return []
  const files = new Map<string, string>()
  const recipes = list(recipeFolder).map((path) => {
    const recipe = checkRemote(parseRecipe(read(path)), path)
    const other = files.get(recipe.name)
    if (other !== undefined)
      throw unusable(recipeFolder, `${other} and ${path} are both named ${recipe.name}`)
    files.set(recipe.name, path)
    return recipe
  })
  if (recipes.length === 0) throw unusable(recipeFolder, 'it has no .yaml file')
  return recipes.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function unusable(folder: string, why: string): RoslinError {
  return new RoslinError(
    'TEAM_INVALID',
    `The team file's recipeFolder ${folder} cannot be deployed: ${why}.`,
    'Name a folder of the project that has recipes with names of their own, or leave recipeFolder out.',
    [{ path: 'recipeFolder', message: why }],
  )
}
