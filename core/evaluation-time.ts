import { type DataSize, heldOutRows } from './data-size.ts'
import { type InstanceTypeName, instanceType } from './instance-types.ts'
import { keptEpochs, type Recipe } from './recipe.ts'
import { forwardShare, type Range, type Speed, scaled } from './speed.ts'

/** The container's start: Python, PyTorch, CUDA. */
const START_SECONDS = 30
/** From S3 to the scratch disk and on to the device. */
const LOAD_BYTES_PER_SECOND = 200e6
/** Transformers' generate on a GPU is bound by launching kernels: 20 to 40 ms a token for models of a few billion weights. */
const GPU_SECONDS_PER_TOKEN = 0.04
/** On a CPU each token reads all weights, 4 bytes each, from memory. */
const CPU_BYTES_PER_SECOND = 8e9
/** evaluate.py answers so many prompts at once. */
const PROMPTS_AT_ONCE = 16

export const EVALUATION_BECAUSE =
  'Model: loading at 200 MB/s, answers token by token, and the held-out rows by the forward pass alone, on one GPU; not measured.'

/** Seconds that Evaluate takes: the base model and each kept checkpoint, one after the other on one device. */
export function evaluationSeconds(
  recipe: Recipe,
  parameters: number,
  type: InstanceTypeName,
  data: DataSize,
  speed: Speed,
): Range {
  const { evaluation, training, resources } = recipe
  const models = 1 + keptEpochs(recipe).length
  const onGpu = resources.gpus > 0 && instanceType(type).gpu !== undefined
  const loaded = training.method === 'full' ? models : 1
  const loadSeconds = (parameters * (onGpu ? 2 : 4)) / LOAD_BYTES_PER_SECOND
  const tokenSeconds = onGpu ? GPU_SECONDS_PER_TOKEN : (parameters * 4) / CPU_BYTES_PER_SECOND
  const answerSeconds =
    Math.ceil(evaluation.prompts.length / PROMPTS_AT_ONCE) * evaluation.maxNewTokens * tokenSeconds
  const heldOutTokens = heldOutRows(recipe, data) * data.tokensPerRow
  const certain = START_SECONDS + loaded * loadSeconds + models * answerSeconds
  const heldOut = scaled(
    secondsFor(heldOutTokens, speed),
    models * forwardShare(recipe) * Math.max(1, resources.gpus) * resources.nodes,
  )
  return {
    low: certain + heldOut.low,
    expected: certain + heldOut.expected,
    high: certain + heldOut.high,
  }
}

/** The range turns round: the fastest takes the least time. */
export function secondsFor(tokens: number, { tokensPerSecond: { low, expected, high } }: Speed): Range {
  return { low: tokens / high, expected: tokens / expected, high: tokens / low }
}
