import { globSync } from 'node:fs'
import { join } from 'node:path'

export const lambdas = join(import.meta.dirname, '../../lambdas')

/** The files that export a handler, from lambdas/. */
export const HANDLERS: readonly string[] = globSync(
  [
    'steps/{classify,fail,plan,register}.ts',
    'events/*.ts',
    '{api,reconciler}/handler.ts',
    'schedules/fire.ts',
    'triggers/{object-created,model-registered}.ts',
  ],
  { cwd: lambdas },
).sort()
