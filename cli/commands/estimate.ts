import { type Command, Option } from 'commander'
import { modelParameters } from '../../core/base-model.ts'
import { knownSize, resolvedSize } from '../../core/data-size.ts'
import { makeEstimate, withEpochs } from '../../core/estimate.ts'
import type { Estimate } from '../../core/estimate-schema.ts'
import { REFERENCE_REGION } from '../../core/prices.ts'
import { estimatePage } from '../estimate-format.ts'
import { localSize } from '../local-size.ts'
import { print, printJson } from '../output.ts'
import { readRecipe } from '../recipe-file.ts'
import { askForEstimate } from '../team-estimate.ts'
import { readTeamFile } from '../team-file.ts'
import { jsonOption, positive, regionOption, wholeNumber } from './options.ts'

interface EstimateOptions {
  readonly epochs?: number
  readonly rows?: number
  readonly tokensPerRow?: number
  readonly region?: string
  readonly team?: string
  readonly deployed?: true
  readonly json?: true
}

export function addEstimateCommand(program: Command): void {
  program
    .command('estimate')
    .description('what a recipe would take: hours and dollars for each capacity option; starts nothing')
    .argument('<recipe>', 'a recipe file, such as recipes/dolly-v1.yaml')
    .addOption(
      new Option('--epochs <number>', "instead of the recipe's").argParser((text) =>
        wholeNumber(text, 1, 100),
      ),
    )
    .addOption(
      new Option('--rows <number>', 'rows of the data, where the file is not here').argParser((text) =>
        wholeNumber(text, 1, 1e9),
      ),
    )
    .addOption(
      new Option('--tokens-per-row <number>', 'their mean length, prompt and response').argParser(positive),
    )
    .addOption(
      new Option('--team <name>', 'whose options: those of teams/<name>.yaml, or of its deployment').env(
        'ROSLIN_TEAM',
      ),
    )
    .addOption(regionOption('whose prices').conflicts('deployed'))
    .option('--deployed', "ask the team's deployment, which knows how fast earlier runs were")
    .addOption(jsonOption())
    .action(async (file: string, options: EstimateOptions) => {
      const estimate = await (options.deployed ? deployedEstimate : offlineEstimate)(file, options)
      if (options.json) printJson(estimate)
      else print(estimatePage(estimate))
    })
}

/** Of this repository's files alone: no deployment, no network. */
async function offlineEstimate(file: string, options: EstimateOptions): Promise<Estimate> {
  const recipe = withEpochs(readRecipe(file), options.epochs)
  const team = options.team === undefined ? undefined : readTeamFile(options.team)
  return makeEstimate({
    recipe,
    parameters: modelParameters(recipe),
    data: resolvedSize(recipe, options, (await localSize(recipe, file)) ?? knownSize(recipe)),
    region: options.region ?? team?.region ?? REFERENCE_REGION,
    ...(team && { team }),
  })
}

async function deployedEstimate(file: string, options: EstimateOptions): Promise<Estimate> {
  // Loaded when it is needed: the AWS SDK takes longer to load than an estimate to make.
  const [{ Client }, { findTarget }] = await Promise.all([import('../client.ts'), import('../target.ts')])
  const client = new Client(await findTarget(options.team))
  const recipe = withEpochs(readRecipe(file), options.epochs)
  return askForEstimate(client, recipe, file, options)
}
