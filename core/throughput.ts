import { type InstanceTypeName, instanceType } from './instance-types.ts'
import { resolvedPrecision } from './precision.ts'
import type { Recipe } from './recipe.ts'
import type { Metrics } from './run-files.ts'

/** How fast one earlier run trained. */
export interface MeasuredThroughput {
  readonly runId: string
  readonly tokensPerSecond: number
}

/** What two runs share that train equally fast, as one key. */
export function throughputShape(recipe: Recipe, parameters: number, type: InstanceTypeName): string {
  const { method, maxTokens } = recipe.training
  const precision = resolvedPrecision(recipe, instanceType(type))
  return [parameters, method, maxTokens, type, recipe.resources.gpus, precision].join('/')
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
