import type { z } from 'zod'
import type { Issue } from './errors.ts'

/** A zod error as our issues: the field's path, and for an unknown field the fields that are allowed. */
export function schemaIssues(error: z.ZodError, input: unknown): Issue[] {
  return error.issues.flatMap((issue): Issue[] => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: pathOf([...issue.path, key]), message: 'unknown field' }))
    }
    const value = valueAt(input, issue.path)
    const shown = value === undefined ? 'missing' : `is ${shorten(JSON.stringify(value))}`
    return [{ path: pathOf(issue.path), message: `${shown}: ${issue.message}` }]
  })
}

function shorten(text: string): string {
  return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text
}

/** Enough to know a value by. */
const MAX_CHARACTERS = 200

function pathOf(path: readonly PropertyKey[]): string {
  return path.map(String).join('.') || '(the whole)'
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    input,
  )
}
