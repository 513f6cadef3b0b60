import { Hono } from 'hono'
import { ulid } from 'ulid'
import { z } from 'zod'
import { shallowJson } from '../../core/deployed-recipe.ts'
import { RoslinError } from '../../core/errors.ts'
import { eventOccasion, eventSource } from '../../core/trigger.ts'
import { deployedTriggers } from '../triggers/deployed-triggers.ts'
import { openWindow } from '../triggers/open-window.ts'
import { parseBody } from './input.ts'

/** It is kept with each run that it starts. */
const MAX_DETAIL_CHARACTERS = 4096

const newEvent = z.strictObject({
  source: eventSource,
  detail: shallowJson
    .transform((detail) => JSON.stringify(detail))
    .pipe(z.string().max(MAX_DETAIL_CHARACTERS, `at most ${MAX_DETAIL_CHARACTERS} characters of JSON`))
    .prefault({}),
})

export const eventRoutes = new Hono()

/** Something happened in another system: the recipes whose trigger names it start, each after its trigger's window. */
eventRoutes.post('/', async (context) => {
  const { source, detail } = await parseBody(newEvent, context)
  const triggers = deployedTriggers('event', source)
  if (triggers.length === 0) {
    throw new RoslinError(
      'SOURCE_UNKNOWN',
      `No trigger of the team names the source ${JSON.stringify(source)}.`,
      'Add one to triggers in the team file and deploy, or send a source that is there.',
      [{ path: 'source', message: 'no trigger names it' }],
    )
  }
  const eventId = ulid()
  for (const trigger of triggers) {
    await openWindow(trigger, eventOccasion(trigger.recipe, { source, eventId, detail }))
  }
  return context.json({ eventId, recipes: triggers.map(({ recipe }) => recipe.name) }, 202)
})
