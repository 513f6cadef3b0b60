import type { Context } from 'hono'
import type { z } from 'zod'
import { RoslinError } from '../../core/errors.ts'
import { schemaIssues } from '../../core/schema-issues.ts'

/** @throws RoslinError REQUEST_INVALID, naming the parameters that are wrong. */
export function parseQuery<T>(schema: z.ZodType<T>, context: Context): T {
  return parse(schema, context.req.query(), 'The query has parameters that cannot be used.')
}

/** @throws RoslinError REQUEST_INVALID for a body that is no JSON, or naming the fields that are wrong. */
export async function parseBody<T>(schema: z.ZodType<T>, context: Context): Promise<T> {
  const text = await context.req.text()
  try {
    return parse(schema, JSON.parse(text), 'The body has fields that cannot be used.')
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new RoslinError(
      'REQUEST_INVALID',
      `The body is not JSON: ${error.message}.`,
      'Send one JSON object.',
    )
  }
}

function parse<T>(schema: z.ZodType<T>, input: unknown, detail: string): T {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const next = 'Mend what is named; docs/reference/api.md lists what each route takes.'
  throw new RoslinError('REQUEST_INVALID', detail, next, schemaIssues(result.error, input))
}
