import { fittingCapacity, optionName } from './capacity.ts'
import { type DataSize, heldOutRows } from './data-size.ts'
import type { Estimate, EstimatedOption, EstimatedStep } from './estimate-schema.ts'
import { EVALUATION_BECAUSE, evaluationSeconds, secondsFor } from './evaluation-time.ts'
import { INSTANCE_TYPE_NAMES, type InstanceTypeName } from './instance-types.ts'
import { optionPrice } from './option-price.ts'
import { onDemandPrice } from './prices.ts'
import type { Recipe } from './recipe.ts'
import { publishedTokensPerSecond, type Range, scaled, trainerSpeed } from './speed.ts'
import type { CapacityOption } from './team-capacity.ts'
import type { MeasuredThroughput } from './throughput.ts'

export interface EstimateInputs {
  readonly recipe: Recipe
  readonly parameters: number
  readonly data: DataSize
  readonly region: string
  /** Whose options; left out, every instance type on demand. */
  readonly team?: { readonly name: string; readonly capacity: readonly CapacityOption[] }
  /** What earlier runs of the recipe's shape have measured on a type, newest first. */
  readonly measured?: (type: InstanceTypeName) => readonly MeasuredThroughput[]
}

const EVERY_TYPE = INSTANCE_TYPE_NAMES.map(
  (instanceType): CapacityOption => ({ instanceType, purchase: 'on-demand', waitMinutes: 60, maxNodes: 64 }),
)

/**
 * Hours and dollars of a recipe on each capacity option that fits it: a pure function of its inputs.
 * @throws RoslinError NO_CAPACITY_FITS
 */
export function makeEstimate(inputs: EstimateInputs): Estimate {
  const { recipe, parameters, data, region, team } = inputs
  const offered = team?.capacity ?? EVERY_TYPE
  const { fitting, refused } = fittingCapacity(
    recipe,
    parameters,
    offered,
    region,
    team ? undefined : optionName,
  )
  const held = heldOutRows(recipe, data)
  const trainRows = data.rows - held
  const tokens = trainRows * data.tokensPerRow * recipe.training.epochs
  // As the team wrote them: a fitting option has a price in any case, and only some have one of the team's own.
  const fittingNames = new Set(fitting.map(optionName))
  const options = offered
    .filter((option) => fittingNames.has(optionName(option)))
    .map((option) => estimateOption(inputs, option, tokens))
  return {
    recipe: recipe.name,
    team: team?.name ?? null,
    region,
    epochs: recipe.training.epochs,
    nodes: recipe.resources.nodes,
    model: { source: recipe.baseModel.source, parameters },
    data: {
      source: recipe.dataset.source,
      trainRows,
      heldOutRows: held,
      tokensPerRow: rounded(data.tokensPerRow, 1),
      tokensPerEpoch: Math.round(trainRows * data.tokensPerRow),
      because: data.because,
    },
    prepare: {
      usd: 0,
      because:
        'Prepare runs once for a model and its data, on a small machine without GPUs, for cents: it is not counted.',
    },
    options: marked(team ? options : options.toSorted(byCost)),
    refused,
    notes: notes(recipe, options),
  }
}

type Unmarked = Omit<EstimatedOption, 'isFastest' | 'isCheapest'>

function estimateOption(inputs: EstimateInputs, option: CapacityOption, tokens: number): Unmarked {
  const { recipe, parameters, data, region } = inputs
  const { instanceType, purchase } = option
  const speed = trainerSpeed(recipe, parameters, instanceType, inputs.measured?.(instanceType))
  const { usdPerHour, price } = optionPrice(option, region)
  const published = publishedTokensPerSecond(recipe, parameters, instanceType)
  const train = worked(secondsFor(tokens, speed), scaled(usdPerHour, recipe.resources.nodes))
  // Of however many nodes train, one evaluates.
  const evaluate = worked(evaluationSeconds(recipe, parameters, instanceType, data, speed), usdPerHour)
  return {
    instanceType,
    purchase,
    price,
    speed: { basis: speed.basis, tokensPerSecond: mapped(speed.tokensPerSecond, (rate) => rounded(rate, 1)) },
    train: { ...shown(train), because: speed.because },
    evaluate: { ...shown(evaluate), because: EVALUATION_BECAUSE },
    total: shown({ seconds: sum(train.seconds, evaluate.seconds), usd: sum(train.usd, evaluate.usd) }),
    published:
      published === undefined
        ? null
        : {
            hours: rounded(tokens / published / 3600, 4),
            usd: roundedUsd((tokens / published / 3600) * onDemandPrice(instanceType, region).usdPerHour),
            because:
              "Training as Dolly's recipe was published (GPT-J-6B on Alpaca in 3 h 15 min an epoch on p3dn.24xlarge: 2.6 TFLOP/s of useful work a V100), scaled by the cards' peaks, at the list price.",
          },
  }
}

interface Work {
  readonly seconds: Range
  readonly usd: Range
}

function worked(seconds: Range, usdPerHour: Range): Work {
  const usd = (bound: keyof Range) => (seconds[bound] / 3600) * usdPerHour[bound]
  return { seconds, usd: { low: usd('low'), expected: usd('expected'), high: usd('high') } }
}

function shown({ seconds, usd }: Work): Pick<EstimatedStep, 'hours' | 'usd'> {
  return { hours: mapped(seconds, (value) => rounded(value / 3600, 4)), usd: mapped(usd, roundedUsd) }
}

function marked(options: readonly Unmarked[]): EstimatedOption[] {
  const least = (figure: (option: Unmarked) => number) =>
    options.findIndex((option) => figure(option) === Math.min(...options.map(figure)))
  const fastest = least(({ total }) => total.hours.expected)
  const cheapest = least(({ total }) => total.usd.expected)
  return options.map((option, index) => ({
    ...option,
    isFastest: index === fastest,
    isCheapest: index === cheapest,
  }))
}

function notes(recipe: Recipe, options: readonly Unmarked[]): string[] {
  return [
    'Waiting costs nothing. Starting a machine, loading the model and saving checkpoints come on top of training: minutes each.',
    ...pastLimits(recipe, options),
    ...(options.some(({ purchase }) => purchase === 'spot')
      ? ['A Spot machine can be taken away: what it did since the last checkpoint is done, and paid, again.']
      : []),
    ...(recipe.evaluation.benchmarks
      ? ['The benchmarks of lm-eval come on top of Evaluate: nothing is known of their length.']
      : []),
  ]
}

/** Where the run would be stopped before its end. */
function pastLimits({ limits }: Recipe, options: readonly Unmarked[]): string[] {
  const note = (limit: string, isPast: (option: Unmarked) => boolean) => {
    const names = options.filter(isPast).map(optionName)
    return names.length > 0 ? [`The run is expected to pass ${limit} on ${names.join(', ')}.`] : []
  }
  const { maxHours, maxUsd = Infinity } = limits
  return [
    ...note(`limits.maxHours (${maxHours})`, ({ train }) => train.hours.expected > maxHours),
    ...note(`limits.maxUsd ($${maxUsd})`, ({ total }) => total.usd.expected > maxUsd),
  ]
}

const byCost = (one: Unmarked, other: Unmarked) => one.total.usd.expected - other.total.usd.expected

function sum(one: Range, other: Range): Range {
  return { low: one.low + other.low, expected: one.expected + other.expected, high: one.high + other.high }
}

function mapped({ low, expected, high }: Range, change: (value: number) => number): Range {
  return { low: change(low), expected: change(expected), high: change(high) }
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

/** Below a dollar the cents are not enough to tell one run from another. */
function roundedUsd(value: number): number {
  return rounded(value, value < 1 ? 4 : 2)
}

/** The recipe with another number of epochs; of those to keep, the ones that are left. */
export function withEpochs(recipe: Recipe, epochs: number | undefined): Recipe {
  if (epochs === undefined) return recipe
  const keepEpochs = recipe.training.keepEpochs?.filter((epoch) => epoch <= epochs)
  return { ...recipe, training: { ...recipe.training, epochs, ...(keepEpochs && { keepEpochs }) } }
}
