import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { RoslinError } from '../core/errors.ts'
import { parseRecipe, type Recipe } from '../core/recipe.ts'

/** @throws RoslinError RECIPE_INVALID for a file that is not there, is no YAML, or is no recipe. */
export function readRecipe(file: string): Recipe {
  const document = parseDocument(readText(file))
  const issues = document.errors.map(({ message, linePos }) => ({
    path: `line ${linePos?.[0].line ?? '?'}`,
    message: message.split('\n')[0] ?? message,
  }))
  if (issues.length > 0)
    throw new RoslinError('RECIPE_INVALID', `${file} is no valid YAML.`, 'Mend the lines named.', issues)
  return parseRecipe(document.toJS())
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new RoslinError(
      'RECIPE_INVALID',
      `The recipe ${file} cannot be read: ${why}.`,
      'Give the path of a recipe, such as recipes/dolly-mini.yaml.',
    )
  }
}
