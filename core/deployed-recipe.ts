import { z } from 'zod'
import { RoslinError } from './errors.ts'
import { parseRecipe, type Recipe } from './recipe.ts'

/** Stands for the team's bucket in a recipe that is deployed: its name is known only after the first deployment. */
const BUCKET = 's3://{bucket}/'

/** More than any recipe has. What is deeper would exhaust the stack of whoever looks into it. */
const MOST_LEVELS = 12

/** JSON of a recipe's kind, not looked into any further. */
export const shallowJson = z
  .record(z.string(), z.unknown())
  .refine((value) => levelsAtMost(value, MOST_LEVELS), `nested at most ${MOST_LEVELS} levels deep`)

function levelsAtMost(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return levels > 0 && Object.values(value).every((inner) => levelsAtMost(inner, levels - 1))
}

/** Some of a recipe's fields, as they are nested there: `{training: {epochs: 3}}`. */
export const overridesSchema = shallowJson.describe(
  "Fields of the recipe to take instead of the file's, nested as there",
)

export type Overrides = z.output<typeof overridesSchema>

/** @throws RoslinError RECIPE_INVALID where the two together are no recipe. */
export function withOverrides(recipe: unknown, overrides: Overrides): Recipe {
  return parseRecipe(merged(recipe, overrides))
}

function merged(base: unknown, patch: unknown): unknown {
  if (!isRecord(base) || !isRecord(patch)) return patch
  return {
    ...base,
    ...Object.fromEntries(Object.entries(patch).map(([key, to]) => [key, merged(base[key], to)])),
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * A recipe that starts by itself: nobody is there to send local files up.
 * @throws RoslinError RECIPE_INVALID, naming the sources that are local.
 */
export function checkRemote(recipe: Recipe, of: string): Recipe {
  const sources: readonly (readonly [string, string | undefined])[] = [
    ['baseModel.source', recipe.baseModel.source],
    ['dataset.source', recipe.dataset.source],
    ['evaluation.benchmarks.folder', recipe.evaluation.benchmarks?.folder],
  ]
  const local = sources.filter(([, source]) => source !== undefined && !/^(s3|hf):\/\//.test(source))
  if (local.length === 0) return recipe
  throw new RoslinError(
    'RECIPE_INVALID',
    `The recipe of ${of} names files beside it, and it starts when nobody is there to send them up.`,
    `Name what lies in the team's bucket (${BUCKET}… stands for it in the team file), or on the Hub (hf://owner/name).`,
    local.map(([path, source]) => ({
      path,
      message: `is ${JSON.stringify(source)}: neither s3:// nor hf://`,
    })),
  )
}

/** The recipe with the bucket's name where `{bucket}` stands for it. */
export function inBucket(recipe: Recipe, bucket: string): Recipe {
  const named = (source: string) =>
    source.startsWith(BUCKET) ? `s3://${bucket}/${source.slice(BUCKET.length)}` : source
  const { benchmarks } = recipe.evaluation
  return {
    ...recipe,
    baseModel: { ...recipe.baseModel, source: named(recipe.baseModel.source) },
    dataset: { ...recipe.dataset, source: named(recipe.dataset.source) },
    evaluation: {
      ...recipe.evaluation,
      ...(benchmarks?.folder !== undefined && {
        benchmarks: { ...benchmarks, folder: named(benchmarks.folder) },
      }),
    },
  }
}
