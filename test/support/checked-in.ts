import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parse } from 'yaml'
import { parseRecipe, type Recipe } from '../../core/recipe.ts'
import { parseTeam, type Team } from '../../core/team.ts'

export const root = join(import.meta.dirname, '../..')

/** The recipes that the repository ships: file name without .yaml → recipe. */
export const recipes: ReadonlyMap<string, Recipe> = new Map(
  globSync('recipes/{,deployed/}*.yaml', { cwd: root })
    .sort((a, b) => (basename(a) < basename(b) ? -1 : 1))
    .map((file) => [basename(file, '.yaml'), parseRecipe(parse(readFileSync(join(root, file), 'utf8')))]),
)

export function checkedInRecipe(name: string): Recipe {
  const recipe = recipes.get(name)
  if (!recipe) throw new Error(`no recipe ${name}`)
  return recipe
}

export function checkedInTeam(name: string): Team {
  return parseTeam(parse(readFileSync(join(root, `teams/${name}.yaml`), 'utf8')))
}
