import { z } from 'zod'
import type { DatasetVersion } from './dataset-version.ts'
import { overridesSchema } from './deployed-recipe.ts'
import { type Recipe, recipeSchema, slugSchema } from './recipe.ts'
import type { StartedBy } from './started-by.ts'

const debounceMinutes = z
  .int()
  .min(0)
  .max(1440)
  .default(5)
  .describe('From the first occasion on: all of them in this time make one run, with the newest; 0: at once')

const SOURCE = /^[A-Za-z0-9][\w./-]{0,63}$/
export const eventSource = z.string().regex(SOURCE, 'letters, digits, _ . / -, at most 64 characters')

const causes = {
  dataset: slugSchema.describe("A dataset's name: files under incoming/<name>/ are its versions"),
  model: slugSchema.describe("A model's name: a registered version becomes the recipe's base model"),
  source: eventSource.describe('A source of POST /v1/events'),
}

const fields = {
  recipe: z
    .string()
    .min(1)
    .describe("A recipe's file, from the project's folder; its sources s3:// or hf://"),
  overrides: overridesSchema.default({}),
  debounceMinutes,
}

/** In the team's file: what is waited for, and the recipe that follows it. */
export const teamTriggerSchema = z.union([
  z.strictObject({ dataset: causes.dataset, ...fields }),
  z.strictObject({ model: causes.model, ...fields }),
  z.strictObject({ source: causes.source, ...fields }),
])

/** As the functions have it: with its whole recipe. */
export const triggerSchema = z.strictObject({
  kind: z.enum(['dataset', 'model', 'event']),
  /** The dataset's, the model's or the source's. */
  of: z.string(),
  recipe: recipeSchema,
  debounceMinutes,
})
export type Trigger = z.output<typeof triggerSchema>

export function triggerOrigin({ kind, of, recipe }: Trigger): string {
  return `trigger.${kind}.${of}.${recipe.name}`
}

/** Something that happened, as a trigger takes it: with the recipe to start, and its place among others of its kind. */
export interface Occasion {
  /** Sorts as text: what is newer is greater. */
  readonly subject: string
  readonly startedBy: StartedBy
  readonly recipe: Recipe
}

export const versionSubject = (version: number) => String(version).padStart(8, '0')

export function datasetOccasion(recipe: Recipe, { name, version, uri }: DatasetVersion): Occasion {
  return {
    subject: versionSubject(version),
    startedBy: { kind: 'dataset', name, version },
    recipe: { ...recipe, dataset: { ...recipe.dataset, source: uri } },
  }
}

export function modelOccasion(
  recipe: Recipe,
  { name, version, uri }: { readonly name: string; readonly version: number; readonly uri: string },
): Occasion {
  // A revision is one of the Hub.
  const { revision: _, ...baseModel } = recipe.baseModel
  return {
    subject: versionSubject(version),
    startedBy: { kind: 'model', name, version },
    recipe: { ...recipe, baseModel: { ...baseModel, source: uri } },
  }
}

export function eventOccasion(
  recipe: Recipe,
  event: {
    readonly source: string
    readonly eventId: string
    readonly detail: string
  },
): Occasion {
  return { subject: event.eventId, startedBy: { kind: 'event', ...event }, recipe }
}
