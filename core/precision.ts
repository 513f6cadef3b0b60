import type { InstanceType } from './instance-types.ts'
import type { Recipe } from './recipe.ts'

/** The number format that training takes on a machine; the trainer's precision.py decides alike. */
export function resolvedPrecision(recipe: Recipe, type: InstanceType): 'fp32' | 'fp16' | 'bf16' {
  const { precision } = recipe.training
  if (precision !== 'auto') return precision
  if (recipe.resources.gpus === 0 || !type.gpu) return 'fp32'
  return type.gpu.architecture === 'volta' ? 'fp16' : 'bf16'
}
