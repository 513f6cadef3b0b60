import { type InstanceTypeName, instanceType, isInstanceType } from './instance-types.ts'
import { resolvedPrecision } from './precision.ts'
import type { Recipe } from './recipe.ts'
import type { JobStatus } from './run.ts'
import type { Metrics } from './run-files.ts'

/** How fast one earlier run trained. */
export interface MeasuredThroughput {
  readonly runId: string
  readonly tokensPerSecond: number
}

/** What two runs share that train equally fast, as one key. */
export function throughputShape(recipe: Recipe, parameters: number, type: InstanceTypeName): string {
  const { method, maxTokens } = recipe.training
  const { gpus, nodes } = recipe.resources
  const precision = resolvedPrecision(recipe, instanceType(type))
  const shape = [parameters, method, maxTokens, type, gpus, precision]
  return [...shape, ...(nodes > 1 ? [`${nodes} nodes`] : [])].join('/')
}

/**
 * Tokens a second over all of training: each point of the series weighs as long as its steps took. Undefined where no step was
 * measured. Loading, checkpoints and held-out losses lie between steps, and are not in it.
 */
export function meanTokensPerSecond({ tokensPerSecond, series }: Metrics): number | undefined {
  const points = series.tokensPerSecond.map((rate, index) => ({
    rate,
    seconds: series.stepSeconds?.[index] ?? 1,
  }))
  const seconds = points.reduce((sum, point) => sum + point.seconds, 0)
  const tokens = points.reduce((sum, point) => sum + point.rate * point.seconds, 0)
  const mean = seconds > 0 ? tokens / seconds : tokensPerSecond
  return mean !== null && Number.isFinite(mean) && mean > 0 ? mean : undefined
}

interface TrainAttempt {
  readonly step: string
  readonly execution: number
  readonly option: number
  readonly jobStatus: JobStatus
  readonly machine?: { readonly instanceType: string }
}

/**
 * The one type that a run trained on, from start to end: metrics of several would be of none. Undefined, too, while the attempt
 * that succeeded is not known, for the events of jobs can come late; and where an earlier execution, whose plan had options of
 * its own, has left no word of its machine.
 */
export function trainedOn(
  attempts: readonly TrainAttempt[],
  execution: number,
  capacity: readonly { readonly instanceType: string }[],
): InstanceTypeName | undefined {
  const training = attempts.filter(({ step }) => step === 'train')
  if (!training.some(({ jobStatus }) => jobStatus === 'SUCCEEDED')) return undefined
  const [type, ...others] = new Set(
    training.map(({ machine, option, ...attempt }) => {
      const planned = attempt.execution === execution ? capacity[option] : undefined
      return (machine ?? planned)?.instanceType
    }),
  )
  return others.length === 0 && type !== undefined && isInstanceType(type) ? type : undefined
}
