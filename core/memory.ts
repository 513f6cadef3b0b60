import type { InstanceType } from './instance-types.ts'
import type { Recipe } from './recipe.ts'

const GIB = 2 ** 30

/**
 * Bytes of state per weight. Full fine-tuning in mixed precision with Adam: 2 for the weight, 2 for its gradient and 12 for
 * the 32-bit copy and the two moments (Rajbhandari et al., ZeRO, section 3.1). LoRA: the frozen weight alone; the adapters are below 1 %. QLoRA: half a byte a weight,
 * the scales of its blocks, and the embeddings, which stay in 16 bits.
 */
const STATE_BYTES = { full: 16, lora: 2, qlora: 0.7 } as const
const CPU_STATE_BYTES = { full: 16, lora: 4, qlora: 0.9 } as const

/** Activations, buffers and fragmentation on one device; an allowance until a run of the same shape has been measured. */
const WORKING_GIB = 4
const CPU_WORKING_GIB = 1
const USABLE_FRACTION = 0.92

export interface MemoryFit {
  readonly fits: boolean
  /** A sentence with the arithmetic in it. */
  readonly reason: string
}

/** Whether the training state fits: sharded over the GPUs of all nodes by ZeRO-3; on a CPU, whole in each node's process. */
export function memoryFit(recipe: Recipe, parameters: number, instance: InstanceType): MemoryFit {
  const { method } = recipe.training
  const onGpu = recipe.resources.gpus > 0 && instance.gpu !== undefined
  const devices = onGpu ? recipe.resources.gpus * recipe.resources.nodes : 1
  const bytes = (onGpu ? STATE_BYTES : CPU_STATE_BYTES)[method]
  const { availableGiB, workingGiB } = deviceMemory(instance, onGpu)
  const neededGiB = (parameters * bytes) / devices / GIB + workingGiB
  const fits = neededGiB <= availableGiB
  const weights = `${(parameters / 1e9).toFixed(2)} B weights × ${bytes} B ÷ ${devices}`
  return {
    fits,
    reason: `${weights} + working space = ${neededGiB.toFixed(1)} GiB per device, ${availableGiB.toFixed(1)} GiB usable`,
  }
}

/** Weights of the largest model that `memoryFit` lets the whole machine train. */
export function largestModel(method: Recipe['training']['method'], instance: InstanceType): number {
  const onGpu = instance.gpu !== undefined
  const { availableGiB, workingGiB } = deviceMemory(instance, onGpu)
  const bytes = (onGpu ? STATE_BYTES : CPU_STATE_BYTES)[method]
  return ((availableGiB - workingGiB) * GIB * (instance.gpu?.count ?? 1)) / bytes
}

/** Of one GPU, or of the CPU's one process. */
function deviceMemory({ gpu, memoryGiB }: InstanceType, onGpu: boolean) {
  const availableGiB = (onGpu ? (gpu?.memoryGiB ?? 0) : memoryGiB) * USABLE_FRACTION
  return { availableGiB, workingGiB: onGpu ? WORKING_GIB : CPU_WORKING_GIB }
}
