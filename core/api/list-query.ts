import { z } from 'zod'
import { slugSchema } from '../recipe.ts'
import { RUN_STATUSES } from '../run.ts'

/** What a page ends with, as the caller sees it: opaque, and good for as long as the item keeps its key. */
const cursorSchema = z.base64url('is none that a page has given').max(100)

export const pageQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: cursorSchema.optional(),
})

export const runListQuerySchema = pageQuerySchema.extend({
  recipe: slugSchema.optional(),
  status: z.enum(RUN_STATUSES).optional(),
  model: slugSchema.optional().describe('The name of a model that the run has registered'),
})
export type RunListQuery = z.output<typeof runListQuerySchema>
