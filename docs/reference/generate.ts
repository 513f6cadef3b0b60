// Writes the JSON Schemas that editors check recipes and team files with, and the API's OpenAPI document: npm run schemas.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { recipeSchema } from '../../core/recipe.ts'
import { teamSchema } from '../../core/team.ts'
import { openApiDocument } from '../../lambdas/api/openapi.ts'

/** File name → its text, made from the same zod schemas that the program checks with. */
export function schemaFiles(): Record<string, string> {
  const text = (schema: z.ZodType, title: string) =>
    `${JSON.stringify({ ...z.toJSONSchema(schema, { io: 'input' }), title }, null, 2)}\n`
  return {
    'recipe.schema.json': text(recipeSchema, 'A Roslin recipe'),
    'team.schema.json': text(teamSchema, 'A Roslin team'),
    'openapi.json': `${JSON.stringify(openApiDocument(), null, 2)}\n`,
  }
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(schemaFiles()))
    writeFileSync(join(import.meta.dirname, name), text)
}
