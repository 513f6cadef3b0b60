import { modelParameters } from '../../core/base-model.ts'
import { knownSize, resolvedSize } from '../../core/data-size.ts'
import { makeEstimate, withEpochs } from '../../core/estimate.ts'
import type { InstanceTypeName } from '../../core/instance-types.ts'
import { parseRecipe, type Recipe } from '../../core/recipe.ts'
import { parseS3Uri } from '../../core/storage-layout.ts'
import { type MeasuredThroughput, throughputShape } from '../../core/throughput.ts'
import { throughputs } from '../clients.ts'
import { deployment } from '../environment.ts'
import { datasetSize } from '../pinning.ts'
import type { Handlers } from './serve.ts'

/** What a recipe would take on the team's own options, from the speed of its earlier runs where there are any. */
export const createEstimate: Handlers['createEstimate'] = async ({ body }) => {
  const { recipe: given, epochs, rows, tokensPerRow } = body
  const recipe = withEpochs(parseRecipe(given), epochs)
  const { team, region, bucket, capacity } = deployment()
  const parameters = modelParameters(recipe)
  const isGiven = rows !== undefined && tokensPerRow !== undefined
  const found = isGiven ? undefined : await findSize(recipe, bucket)
  const measured = await measuredOn(recipe, parameters, team, [
    ...new Set(capacity.map(({ instanceType }) => instanceType)),
  ])
  return makeEstimate({
    recipe,
    parameters,
    region,
    data: resolvedSize(recipe, { rows, tokensPerRow }, found),
    team: { name: team, capacity },
    measured: (type) => measured.get(type) ?? [],
  })
}

/** Of the data where they lie, if that is the bucket; a file still on its way there may be known by its name. */
async function findSize(recipe: Recipe, bucket: string) {
  return parseS3Uri(recipe.dataset.source) ? datasetSize(recipe, bucket) : knownSize(recipe)
}

async function measuredOn(
  recipe: Recipe,
  parameters: number,
  team: string,
  types: readonly InstanceTypeName[],
): Promise<ReadonlyMap<InstanceTypeName, MeasuredThroughput[]>> {
  return new Map(
    await Promise.all(
      types.map(
        async (type) =>
          [type, await throughputs.newest(team, throughputShape(recipe, parameters, type))] as const,
      ),
    ),
  )
}
