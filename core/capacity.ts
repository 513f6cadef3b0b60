import { RoslinError } from './errors.ts'
import { instanceType } from './instance-types.ts'
import { memoryFit } from './memory.ts'
import type { Recipe } from './recipe.ts'
import type { CapacityOption } from './team.ts'

/** A team's capacity option, and the queue its deployment gave it. */
export interface DeployedCapacity extends CapacityOption {
  readonly jobQueueArn: string
}

export interface FittingCapacity extends DeployedCapacity {
  /** The list price on demand: what a Spot instance costs is known only once it runs. */
  readonly priceUsdPerHour: number
  /** When the price was looked up; missing where it was not. */
  readonly priceCheckedOn?: string
  readonly reason: string
}

/** One of the team's options that cannot train a recipe. */
export interface RefusedCapacity {
  readonly option: string
  readonly reason: string
}

/**
 * The options that can train this recipe, in the team's order, and the others.
 * @throws RoslinError NO_CAPACITY_FITS, saying of each option why it does not.
 */
export function fittingCapacity(
  recipe: Recipe,
  parameters: number,
  options: readonly DeployedCapacity[],
): { readonly fitting: FittingCapacity[]; readonly refused: RefusedCapacity[] } {
  const fitting: FittingCapacity[] = []
  const refused: RefusedCapacity[] = []
  for (const [index, option] of options.entries()) {
    const reason = refuse(recipe, parameters, option)
    if (reason) {
      refused.push({ option: `capacity.${index} (${option.instanceType} ${option.purchase})`, reason })
      continue
    }
    const { price } = instanceType(option.instanceType)
    fitting.push({
      ...option,
      priceUsdPerHour: price.usdPerHour,
      ...(price.checkedOn && { priceCheckedOn: price.checkedOn }),
      reason: memoryFit(recipe, parameters, instanceType(option.instanceType)).reason,
    })
  }
  if (fitting.length > 0) return { fitting, refused }
  throw new RoslinError(
    'NO_CAPACITY_FITS',
    `None of the team's ${options.length} capacity options can train ${recipe.name}.`,
    "Ask for less in the recipe's resources, use training.method: lora, or add an option to the team file.",
    refused.map(({ option, reason }) => ({ path: option, message: reason })),
  )
}

function refuse(recipe: Recipe, parameters: number, option: CapacityOption): string | undefined {
  const { resources, training } = recipe
  const type = instanceType(option.instanceType)
  const gpus = type.gpu?.count ?? 0
  if (gpus < resources.gpus) return `has ${gpus} GPUs, ${resources.gpus} wanted`
  if (resources.gpus === 0 && gpus > 0) return 'has GPUs, the recipe trains on CPU'
  if (type.gpu && type.gpu.memoryGiB < (resources.minGpuMemoryGiB ?? 0)) {
    return `has ${type.gpu.memoryGiB} GiB a GPU, ${resources.minGpuMemoryGiB} wanted`
  }
  if (type.gpu?.architecture === 'volta' && training.precision === 'bf16') return 'V100 has no bf16'
  if (type.price.usdPerHour > (resources.maxPriceUsdPerHour ?? Infinity)) {
    return `costs $${type.price.usdPerHour} an hour, at most $${resources.maxPriceUsdPerHour} wanted`
  }
  const memory = memoryFit(recipe, parameters, type)
  return memory.fits ? undefined : memory.reason
}
