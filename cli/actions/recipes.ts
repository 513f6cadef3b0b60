import { stringify } from 'yaml'
import { RoslinError } from '../../core/errors.ts'
import type { RecipeList, Validation } from '../../core/recipe-view.ts'
import { Client } from '../client.ts'
import type { DeploymentOptions } from '../commands/options.ts'
import { usd } from '../format.ts'
import { sendUp } from '../local-inputs.ts'
import { print, printJson, say } from '../output.ts'
import { checkRecipe } from '../run-and-follow.ts'
import { table } from '../table.ts'
import { show } from './show.ts'

export const listRecipes = (options: DeploymentOptions) =>
  show(options, (client) => client.listRecipes(), recipesTable)

/** On a page it is a recipe file. */
export const getRecipe = (name: string, options: DeploymentOptions) =>
  show(
    options,
    (client) => client.getRecipe(name),
    ({ recipe }) => stringify(recipe).trimEnd(),
  )

/** @throws RoslinError what a run would be refused for */
export async function validateRecipe(path: string, options: DeploymentOptions): Promise<void> {
  const { recipe, inputs } = await checkRecipe(path)
  const client = await Client.connect(options)
  const remote = await sendUp(client, recipe, inputs, (text) => say(`· ${text}`))
  const validation = await client.validateRecipe(remote)
  const { refusal } = validation
  if (refusal) throw new RoslinError(refusal.code, refusal.detail, refusal.nextStep, refusal.issues)
  if (options.json) printJson(validation)
  else print(planPage(validation))
}

function recipesTable({ recipes }: RecipeList): string {
  const rows = recipes.map(({ name, deployed, runs, newestRunAt, newestRunId }) => [
    name,
    deployed ? 'yes' : '',
    String(runs),
    newestRunAt?.slice(0, 16).replace('T', ' ') ?? '',
    newestRunId ?? '',
  ])
  return table(['recipe', 'deployed', 'runs', 'newest', 'run'], rows)
}

function planPage({ plan }: Validation): string {
  if (!plan) return ''
  const { reservedUsd, dataset, baseModel, capacity, refusedCapacity } = plan
  const options = capacity.map(({ instanceType, purchase, priceUsdPerHour, reason }) => [
    instanceType,
    purchase,
    usd(priceUsdPerHour),
    reason,
  ])
  return [
    `It would be started, and may cost ${usd(reservedUsd)} at most.`,
    `data   ${dataset.rows} rows, ${dataset.uri}`,
    `model  ${baseModel.source}${baseModel.revision ? ` at ${baseModel.revision}` : ''}`,
    table(['capacity', 'purchase', 'an hour', 'because'], options),
    ...refusedCapacity.map(({ option, reason }) => `${option}: ${reason}`),
  ].join('\n')
}
