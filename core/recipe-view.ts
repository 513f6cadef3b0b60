import { z } from 'zod'
import { problemSchema } from './problem-schema.ts'
import { PURCHASES } from './purchase.ts'
import { recipeSchema } from './recipe.ts'

const recipeSummarySchema = z.object({
  name: z.string(),
  deployed: z.boolean().describe("Whether it is in the team file's recipeFolder"),
  runs: z.int().describe('How often it was run'),
  newestRunId: z.ulid().nullable(),
  newestRunAt: z.iso.datetime({ offset: true }).nullable(),
})

export const recipeListSchema = z.object({ recipes: z.array(recipeSummarySchema).readonly() })
export type RecipeList = z.output<typeof recipeListSchema>

/** A recipe as it is deployed; one that is not, as its newest run has it. */
export const recipeDetailSchema = recipeSummarySchema.extend({ recipe: recipeSchema })
export type RecipeDetail = z.output<typeof recipeDetailSchema>

/** What a run of a recipe would be: refused, or planned so. */
export const validationSchema = z.object({
  refusal: problemSchema
    .nullable()
    .describe('What POST /v1/runs would answer; null where it would start the run'),
  plan: z
    .object({
      reservedUsd: z.number().describe('The run may not cost more'),
      trainingBudgetUsd: z.number(),
      capacity: z
        .array(
          z.object({
            instanceType: z.string(),
            purchase: z.enum(PURCHASES),
            priceUsdPerHour: z.number(),
            priceCheckedOn: z.string().optional(),
            priceRegion: z.string().optional(),
            reason: z.string(),
          }),
        )
        .readonly(),
      refusedCapacity: z.array(z.object({ option: z.string(), reason: z.string() })).readonly(),
      baseModel: z.object({ source: z.string(), revision: z.string().optional(), parameters: z.int() }),
      dataset: z.object({ uri: z.string(), sha256: z.string(), rows: z.int() }),
    })
    .nullable(),
})
export type Validation = z.output<typeof validationSchema>
