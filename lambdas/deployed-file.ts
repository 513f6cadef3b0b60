import { readFileSync } from 'node:fs'
import type { z } from 'zod'

const files = new Map<string, unknown>()

/** JSON that the deployment laid beside the function's code; read once. */
export function deployedFile<T>(name: string, schema: z.ZodType<T>): T {
  if (!files.has(name)) files.set(name, JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8')))
  return schema.parse(files.get(name))
}
