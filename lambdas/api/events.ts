import { RoslinError } from '../../core/errors.ts'
import { eventOccasion } from '../../core/trigger.ts'
import { deployedTriggers } from '../triggers/deployed-triggers.ts'
import { openWindow } from '../triggers/open-window.ts'
import type { Handlers } from './serve.ts'

/** Something happened in another system: the recipes whose trigger names it start, each after its trigger's window. */
export const sendEvent: Handlers['sendEvent'] = async ({ body: { source, detail }, request }) => {
  const triggers = deployedTriggers('event', source)
  if (triggers.length === 0) {
    throw new RoslinError(
      'SOURCE_UNKNOWN',
      `No trigger of the team names the source ${JSON.stringify(source)}.`,
      'Add one to triggers in the team file and deploy, or send a source that is there.',
      [{ path: 'source', message: 'no trigger names it' }],
    )
  }
  const eventId = request.id
  for (const trigger of triggers) {
    await openWindow(trigger, eventOccasion(trigger.recipe, { source, eventId, detail }))
  }
  return { eventId, recipes: triggers.map(({ recipe }) => recipe.name) }
}
