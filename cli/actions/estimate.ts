import { modelParameters } from '../../core/base-model.ts'
import { knownSize, resolvedSize } from '../../core/data-size.ts'
import { makeEstimate, withEpochs } from '../../core/estimate.ts'
import type { Estimate } from '../../core/estimate-schema.ts'
import { REFERENCE_REGION } from '../../core/prices.ts'
import { estimatePage } from '../estimate-format.ts'
import { localSize } from '../local-size.ts'
import { print, printJson } from '../output.ts'
import { readRecipe } from '../recipe-file.ts'
import { resolveSettings } from '../settings.ts'
import { askForEstimate } from '../team-estimate.ts'
import { readTeamFile } from '../team-file.ts'

interface EstimateOptions {
  readonly epochs?: number
  readonly rows?: number
  readonly tokensPerRow?: number
  /** Whose prices, not where the team is. */
  readonly region?: string
  readonly team?: string
  readonly profile?: string
  readonly deployed?: true
  readonly json?: true
}

export async function estimate(file: string, options: EstimateOptions): Promise<void> {
  const made = await (options.deployed ? deployedEstimate : offlineEstimate)(file, options)
  if (options.json) printJson(made)
  else print(estimatePage(made))
}

/** Of this repository's files alone: no deployment, no network. */
async function offlineEstimate(file: string, options: EstimateOptions): Promise<Estimate> {
  const recipe = withEpochs(readRecipe(file), options.epochs)
  const name = resolveSettings({ team: options.team }).team.value
  const team = name === undefined ? undefined : readTeamFile(name)
  return makeEstimate({
    recipe,
    parameters: modelParameters(recipe),
    data: resolvedSize(recipe, options, (await localSize(recipe, file)) ?? knownSize(recipe)),
    region: options.region ?? team?.region ?? REFERENCE_REGION,
    ...(team && { team }),
  })
}

async function deployedEstimate(
  file: string,
  { team, profile, ...options }: EstimateOptions,
): Promise<Estimate> {
  // Loaded when it is needed: the AWS SDK takes longer to load than an estimate to make.
  const { Client } = await import('../client.ts')
  const client = await Client.connect({ team, profile })
  const recipe = withEpochs(readRecipe(file), options.epochs)
  return askForEstimate(client, recipe, file, options)
}
