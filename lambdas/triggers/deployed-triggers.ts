import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { TRIGGERS_FILE } from '../../core/automation.ts'
import { type Trigger, triggerSchema } from '../../core/trigger.ts'

let triggers: readonly Trigger[] | undefined

/** The team file's triggers, which lie beside the function's code. */
export function deployedTriggers(kind: Trigger['kind'], of: string): readonly Trigger[] {
  triggers ??= z
    .array(triggerSchema)
    .parse(JSON.parse(readFileSync(new URL(TRIGGERS_FILE, import.meta.url), 'utf8')))
  return triggers.filter((trigger) => trigger.kind === kind && trigger.of === of)
}
