import { z } from 'zod'
import { RoslinError } from './errors.ts'
import { type InstanceTypeName, instanceType } from './instance-types.ts'
import { memoryFit } from './memory.ts'
import { onDemandPrice, type RegionalPrice } from './prices.ts'
import { PURCHASES } from './purchase.ts'
import type { Recipe } from './recipe.ts'
import { type CapacityOption, reservationSchema } from './team-capacity.ts'

/** A team's capacity option, and the queue its deployment gave it. */
export interface DeployedCapacity extends CapacityOption {
  readonly jobQueueArn: string
  /** Of training on several nodes; where the option has them. */
  readonly multiNodeJobDefinitionArn?: string
}

/** The team file's capacity options as JSON, beside the code of the functions. */
export const CAPACITY_FILE = 'capacity.json'

/** Of an option in that file, what planning asks; how its machines are made is left out. */
export const plannedOptionSchema = z.object({
  instanceType: z.string().transform((name) => name as InstanceTypeName),
  purchase: z.enum(PURCHASES),
  waitMinutes: z.number(),
  amiId: z.string().optional(),
  reservation: reservationSchema.optional(),
  maxNodes: z.number().optional(),
})

export type FittingCapacity<Option extends CapacityOption = DeployedCapacity> = Option & {
  /**
   * The list price on demand of one instance: what a Spot instance costs is known only once it runs. A reservation bills anyway; its hours count
   * at this price too, or at the team's own.
   */
  readonly priceUsdPerHour: number
  /** When the price was looked up; missing where it was not. */
  readonly priceCheckedOn?: string
  /** Whose price it is, where that is not the team's region: the table does not have that one. */
  readonly priceRegion?: string
  readonly reason: string
}

/** One of the options that cannot train a recipe. */
export interface RefusedCapacity {
  readonly option: string
  readonly reason: string
}

/**
 * The options that can train this recipe, in the order given, priced in the region, and the others.
 * @throws RoslinError NO_CAPACITY_FITS, saying of each option why it does not.
 */
export function fittingCapacity<Option extends CapacityOption>(
  recipe: Recipe,
  parameters: number,
  options: readonly Option[],
  region: string,
  nameOf: (option: CapacityOption, index: number) => string = placeInTeamFile,
): { readonly fitting: FittingCapacity<Option>[]; readonly refused: RefusedCapacity[] } {
  const fitting: FittingCapacity<Option>[] = []
  const refused: RefusedCapacity[] = []
  for (const [index, option] of options.entries()) {
    const price = priceOf(option, region)
    const reason = refuse(recipe, parameters, option, price.usdPerHour)
    if (reason) {
      refused.push({ option: nameOf(option, index), reason })
      continue
    }
    fitting.push({
      ...option,
      priceUsdPerHour: price.usdPerHour,
      ...(price.checkedOn && { priceCheckedOn: price.checkedOn }),
      ...(price.region !== region && { priceRegion: price.region }),
      reason: memoryFit(recipe, parameters, instanceType(option.instanceType)).reason,
    })
  }
  if (fitting.length > 0) return { fitting, refused }
  throw new RoslinError(
    'NO_CAPACITY_FITS',
    `None of the ${options.length} capacity options can train ${recipe.name}.`,
    "Ask for less in the recipe's resources, use training.method: lora, or add an option to the team file.",
    refused.map(({ option, reason }) => ({ path: option, message: reason })),
  )
}

function priceOf({ instanceType: type, reservation }: CapacityOption, region: string): RegionalPrice {
  const own = reservation?.priceUsdPerHour
  return own ? { usdPerHour: own, region } : onDemandPrice(type, region)
}

function placeInTeamFile(option: CapacityOption, index: number): string {
  return `capacity.${index} (${optionName(option)})`
}

export function optionName({
  instanceType: type,
  purchase,
}: {
  readonly instanceType: string
  readonly purchase: string
}): string {
  return `${type} ${purchase}`
}

function refuse(
  recipe: Recipe,
  parameters: number,
  option: CapacityOption,
  usdPerHour: number,
): string | undefined {
  const { resources, training } = recipe
  const type = instanceType(option.instanceType)
  const gpus = type.gpu?.count ?? 0
  if (gpus < resources.gpus) return `has ${gpus} GPUs, ${resources.gpus} wanted`
  if (resources.gpus === 0 && gpus > 0) return 'has GPUs, the recipe trains on CPU'
  const { maxNodes = 1 } = option
  if (resources.nodes > 1 && option.purchase === 'spot') return 'Batch has no Spot for several nodes'
  if (resources.nodes > maxNodes) return `has at most ${maxNodes} nodes (maxNodes), ${resources.nodes} wanted`
  if (type.gpu && type.gpu.memoryGiB < (resources.minGpuMemoryGiB ?? 0)) {
    return `has ${type.gpu.memoryGiB} GiB a GPU, ${resources.minGpuMemoryGiB} wanted`
  }
  if (type.gpu && resources.architectures && !resources.architectures.includes(type.gpu.architecture)) {
    return `has ${type.gpu.name} (${type.gpu.architecture}), ${resources.architectures.join(' or ')} wanted`
  }
  if (type.gpu?.architecture === 'volta' && training.precision === 'bf16') return 'V100 has no bf16'
  if (!type.gpu && training.precision === 'fp16') return 'CPUs do not train in fp16'
  if (usdPerHour > (resources.maxPriceUsdPerHour ?? Infinity)) {
    return `costs $${usdPerHour} an hour, at most $${resources.maxPriceUsdPerHour} wanted`
  }
  const memory = memoryFit(recipe, parameters, type)
  return memory.fits ? undefined : memory.reason
}
