import type { Command } from 'commander'
import { deploymentCommand } from './options.ts'

export function addRecipesCommand(program: Command): void {
  const recipes = program.command('recipes').description('what runs are started from')

  deploymentCommand(recipes, 'list')
    .description('the recipes that are deployed or were run')
    .action(async (options) => (await import('../actions/recipes.ts')).listRecipes(options))

  deploymentCommand(recipes, 'get')
    .description('one as it is deployed, else as its newest run has it')
    .argument('<name>', "the recipe's name")
    .action(async (name, options) => (await import('../actions/recipes.ts')).getRecipe(name, options))

  deploymentCommand(recipes, 'validate')
    .description('what a run of a recipe would be; local data and model are sent up, nothing is started')
    .argument('<recipe>', 'a recipe file')
    .action(async (file, options) => (await import('../actions/recipes.ts')).validateRecipe(file, options))
}
