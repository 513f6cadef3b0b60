import { z } from 'zod'
import { TRIGGERS_FILE } from '../../core/automation.ts'
import { type Trigger, triggerSchema } from '../../core/trigger.ts'
import { deployedFile } from '../deployed-file.ts'

/** The team file's triggers of a kind. */
export function deployedTriggers(kind: Trigger['kind'], of: string): readonly Trigger[] {
  const triggers = deployedFile(TRIGGERS_FILE, z.array(triggerSchema))
  return triggers.filter((trigger) => trigger.kind === kind && trigger.of === of)
}
