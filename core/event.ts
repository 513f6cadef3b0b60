import { z } from 'zod'
import { shallowJson } from './deployed-recipe.ts'
import { eventSource } from './trigger.ts'

/** It is kept with each run that it starts. */
const MAX_DETAIL_CHARACTERS = 4096

/** Something that happened in another system. */
export const newEventSchema = z.strictObject({
  source: eventSource.describe("Of one of the team file's triggers"),
  detail: shallowJson
    .describe(`What happened, at most ${MAX_DETAIL_CHARACTERS} characters of JSON`)
    .transform((detail) => JSON.stringify(detail))
    .pipe(z.string().max(MAX_DETAIL_CHARACTERS, `at most ${MAX_DETAIL_CHARACTERS} characters of JSON`))
    .prefault({}),
})

export const sentEventSchema = z.object({
  eventId: z.ulid(),
  recipes: z.array(z.string()).readonly().describe('The recipes that start'),
})
export type SentEvent = z.output<typeof sentEventSchema>
