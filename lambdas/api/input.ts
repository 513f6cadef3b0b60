import type { Context } from 'hono'
import type { z } from 'zod'
import { RoslinError } from '../../core/errors.ts'
import { schemaIssues } from '../../core/schema-issues.ts'

/** A recipe has 5. What is deeper would overflow the stack of whoever walks it. */
const MAX_DEPTH = 32

/** @throws RoslinError REQUEST_INVALID for a body that is no JSON, or naming the fields that are wrong. */
export async function parseBody<T>(schema: z.ZodType<T>, context: Context): Promise<T> {
  const text = await context.req.text()
  if (depthOf(text) > MAX_DEPTH) {
    throw new RoslinError(
      'REQUEST_INVALID',
      `The body is nested more than ${MAX_DEPTH} levels deep.`,
      'Mend it; docs/reference/api.md lists what each route takes.',
    )
  }
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

/** @throws RoslinError REQUEST_INVALID, naming the fields that are wrong. */
export function parse<T>(schema: z.ZodType<T>, input: unknown, detail: string): T {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const next = 'Mend what is named; docs/reference/api.md lists what each route takes.'
  throw new RoslinError('REQUEST_INVALID', detail, next, schemaIssues(result.error, input))
}

/** How deep arrays and objects are nested, whatever else the text is. */
function depthOf(json: string): number {
  let depth = 0
  let deepest = 0
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gs)) {
    if (token === '[' || token === '{') deepest = Math.max(deepest, ++depth)
    else if (token === ']' || token === '}') depth--
  }
  return deepest
}
