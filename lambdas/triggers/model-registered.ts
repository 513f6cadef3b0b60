import { z } from 'zod'
import { modelOccasion } from '../../core/trigger.ts'
import { deployedTriggers } from './deployed-triggers.ts'
import { openWindow } from './open-window.ts'

const runSucceeded = z.object({
  detail: z.object({ model: z.object({ name: z.string(), version: z.int(), uri: z.string() }) }),
})

/** A run has made a model version: recipes that start from that model go on with it. */
export async function handler(event: unknown): Promise<void> {
  const { model } = runSucceeded.parse(event).detail
  for (const trigger of deployedTriggers('model', model.name)) {
    await openWindow(trigger, modelOccasion(trigger.recipe, model))
  }
}
