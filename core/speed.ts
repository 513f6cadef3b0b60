import { type InstanceTypeName, instanceType } from './instance-types.ts'
import { resolvedPrecision } from './precision.ts'
import type { Recipe } from './recipe.ts'
import type { MeasuredThroughput } from './throughput.ts'

/** How sure a figure is: what is reckoned with, and between what it lies. */
export interface Range {
  readonly low: number
  readonly expected: number
  readonly high: number
}

/** How fast an option trains, in tokens of rows a second over all its GPUs and nodes, and how that is known. */
export interface Speed {
  readonly basis: 'measured' | 'model'
  readonly tokensPerSecond: Range
  readonly because: string
}

/**
 * The published run that all else is scaled from: Dolly v1, one epoch of GPT-J-6B on Alpaca in 3 h 15 min on a p3dn.24xlarge.
 * Source: its README on GitHub; docs/performance.md has the arithmetic.
 */
const PUBLISHED = {
  parameters: 6_050_882_784,
  tokens: 51_002 * 131,
  seconds: 11_700,
  gpus: 8,
  peakTflops: 125,
}

/** Of a GPU's peak, what the published recipe turned into work on real tokens: 2.6 of 125 TFLOP/s. */
const PUBLISHED_SHARE_OF_PEAK =
  (6 * PUBLISHED.parameters * PUBLISHED.tokens) /
  (PUBLISHED.seconds * PUBLISHED.gpus * PUBLISHED.peakTflops * 1e12)

/** How many times faster this trainer is: measured with one process, with two, and reckoned for eight ranks (docs/performance.md). */
const TRAINER_GAIN: Range = { low: 3.2, expected: 3.8, high: 5.6 }

/**
 * FLOPs for a token and weight. Full: 2 forward, 4 backward (Kaplan et al., 2020). Adapters: the frozen weights' own gradients, 2
 * of the 4, are never made (Hu et al., 2021). QLoRA: the same, and 1.39 times the time for turning 4 bits into 16 at each use
 * (Raschka, 2023).
 */
const FLOPS_PER_WEIGHT = { full: 6, lora: 4, qlora: 4 * 1.39 } as const

/**
 * What each of several nodes keeps of its speed alone. An assumption: over TCP, which is what the trainer's image has, a fifth where every
 * step exchanges all weights, most of it for adapters or with much to compute.
 */
const NODE_EFFICIENCY: Range = { low: 0.2, expected: 0.5, high: 0.9 }

/** Of training's FLOPs, those of the forward pass alone. */
export function forwardShare(recipe: Recipe): number {
  return 2 / FLOPS_PER_WEIGHT[recipe.training.method]
}

/**
 * On a CPU, 10^9 useful FLOP/s a virtual core: the demonstration (recipes/dolly-mini.yaml) trained at 235 tokens a second on two
 * cores of an AMD EPYC on 24 November 2026. A virtual core of EC2 is half a core; a larger model fills it better.
 */
const CPU_GFLOPS: Range = { low: 31, expected: 63, high: 95 }

/** The speed of earlier runs of the same shape, else that of the model. */
export function trainerSpeed(
  recipe: Recipe,
  parameters: number,
  type: InstanceTypeName,
  measured: readonly MeasuredThroughput[] = [],
): Speed {
  return measuredSpeed(measured) ?? onNodes(modelledSpeed(recipe, parameters, type), recipe.resources.nodes)
}

function measuredSpeed(measured: readonly MeasuredThroughput[]): Speed | undefined {
  if (measured.length === 0) return undefined
  const rates = measured.map(({ tokensPerSecond }) => tokensPerSecond).sort((a, b) => a - b)
  const [low = 0, high = 0] = [rates[0], rates.at(-1)]
  const runs = measured.length === 1 ? `run ${measured[0]?.runId}` : `the last ${measured.length} runs`
  return {
    basis: 'measured',
    tokensPerSecond: { low, expected: median(rates), high },
    because: `Measured: ${runs} of the same model size, method, row length, machine and precision.`,
  }
}

function onNodes({ tokensPerSecond: { low, expected, high }, basis, because }: Speed, nodes: number): Speed {
  if (nodes === 1) return { tokensPerSecond: { low, expected, high }, basis, because }
  const times = (bound: keyof Range) => nodes * NODE_EFFICIENCY[bound]
  return {
    basis,
    tokensPerSecond: {
      low: low * times('low'),
      expected: expected * times('expected'),
      high: high * times('high'),
    },
    because: `${because} Each of ${nodes} nodes is taken to keep ${percent(NODE_EFFICIENCY.expected)} of that, ${percent(NODE_EFFICIENCY.low)} to ${percent(NODE_EFFICIENCY.high)}: not measured.`,
  }
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

/** Of numbers in order; there is at least one. */
export function median(sorted: readonly number[]): number {
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}

function modelledSpeed(recipe: Recipe, parameters: number, type: InstanceTypeName): Speed {
  const { method } = recipe.training
  const flopsPerToken = FLOPS_PER_WEIGHT[method] * parameters
  const peak = gpuPeakTflops(recipe, type)
  if (peak === undefined) {
    const { vcpus } = instanceType(type)
    return {
      basis: 'model',
      tokensPerSecond: scaled(CPU_GFLOPS, (vcpus * 1e9) / flopsPerToken),
      because: `Model: ${CPU_GFLOPS.expected} GFLOP/s a vCPU, as this repository's demonstration was measured on two cores; half to one and a half times that.`,
    }
  }
  const unmeasured = method === 'full' ? '' : ` The gain was measured for full training, not for ${method}.`
  return {
    basis: 'model',
    tokensPerSecond: scaled(TRAINER_GAIN, publishedFlops(recipe, peak) / flopsPerToken),
    because: `Model: ${TRAINER_GAIN.expected} times the published recipe's throughput, scaled by the cards' peaks; ${TRAINER_GAIN.low} to ${TRAINER_GAIN.high} times by docs/performance.md.${unmeasured}`,
  }
}

/** Tokens a second of the recipe as Dolly published it; undefined where it says nothing: on a CPU, with adapters, or on several nodes. */
export function publishedTokensPerSecond(
  recipe: Recipe,
  parameters: number,
  type: InstanceTypeName,
): number | undefined {
  const peak = gpuPeakTflops(recipe, type)
  const { training, resources } = recipe
  if (peak === undefined || training.method !== 'full' || resources.nodes > 1) return undefined
  return publishedFlops(recipe, peak) / (FLOPS_PER_WEIGHT.full * parameters)
}

/** Useful FLOP/s of all the recipe's GPUs on one node, by the published recipe. */
function publishedFlops(recipe: Recipe, peakTflops: number): number {
  return PUBLISHED_SHARE_OF_PEAK * peakTflops * 1e12 * recipe.resources.gpus
}

/** Of one GPU, in the precision that the recipe trains in; undefined where it trains on a CPU. */
function gpuPeakTflops(recipe: Recipe, type: InstanceTypeName): number | undefined {
  const { gpu } = instanceType(type)
  if (!gpu || recipe.resources.gpus === 0) return undefined
  return resolvedPrecision(recipe, instanceType(type)) === 'fp32'
    ? gpu.peakTflops.single
    : gpu.peakTflops.half
}

export function scaled({ low, expected, high }: Range, factor: number): Range {
  return { low: low * factor, expected: expected * factor, high: high * factor }
}
