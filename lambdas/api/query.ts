import type { z } from 'zod'
import { RoslinError } from '../../core/errors.ts'
import { schemaIssues } from '../../core/schema-issues.ts'

/** @throws RoslinError REQUEST_INVALID, naming the parameters that are wrong. */
export function parseQuery<T>(schema: z.ZodType<T>, query: Record<string, string>): T {
  const result = schema.safeParse(query)
  if (result.success) return result.data
  throw new RoslinError(
    'REQUEST_INVALID',
    'The query has parameters that cannot be used.',
    'Mend the parameters named; docs/reference/api.md lists them.',
    schemaIssues(result.error, query),
  )
}
