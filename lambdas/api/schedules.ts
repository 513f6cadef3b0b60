import { Hono } from 'hono'
import { checkRemote, inBucket, withOverrides } from '../../core/deployed-recipe.ts'
import { RoslinError } from '../../core/errors.ts'
import { scheduleOrigin } from '../../core/firing.ts'
import { missedTimes } from '../../core/missed-times.ts'
import {
  newScheduleSchema,
  RETRY_MINUTES,
  type ScheduleList,
  type ScheduleView,
} from '../../core/schedule.ts'
import { nextFirings } from '../../core/schedule-expression.ts'
import { firingView } from '../../core/store/firing-store.ts'
import { firings } from '../clients.ts'
import { deployment } from '../environment.ts'
import {
  createSchedule,
  deleteSchedule,
  findSchedule,
  listSchedules,
  pauseSchedule,
  type StoredSchedule,
} from '../scheduler.ts'
import { parseBody } from './input.ts'

const SHOWN = 10
const NEXT = 3

export const scheduleRoutes = new Hono()

scheduleRoutes.get('/', async (context) => {
  const stored = await listSchedules()
  return context.json({ schedules: await Promise.all(stored.map(view)) } satisfies ScheduleList)
})

scheduleRoutes.post('/', async (context) => {
  const { recipe: given, overrides, ...timing } = await parseBody(newScheduleSchema, context)
  const recipe = checkRemote(withOverrides(given, overrides), `schedule ${timing.name}`)
  const created = await createSchedule({
    ...timing,
    source: 'api',
    recipe: inBucket(recipe, deployment().bucket),
  })
  if (!created) {
    throw new RoslinError(
      'SCHEDULE_EXISTS',
      `There is a schedule ${timing.name} already.`,
      'Give another name, or delete that one first.',
      [{ path: 'name', message: `${timing.name} is taken` }],
    )
  }
  return context.json(await view(await found(timing.name)), 201)
})

scheduleRoutes.get('/:name', async (context) =>
  context.json(await view(await found(context.req.param('name')))),
)

for (const [action, paused] of [
  ['pause', true],
  ['resume', false],
] as const) {
  scheduleRoutes.post(`/:name/${action}`, async (context) => {
    const { schedule } = await found(context.req.param('name'))
    if (schedule.paused !== paused) await pauseSchedule(schedule.name, paused)
    return context.json(await view(await found(schedule.name)))
  })
}

scheduleRoutes.delete('/:name', async (context) => {
  const { schedule } = await found(context.req.param('name'))
  if (schedule.source === 'file') {
    throw new RoslinError(
      'SCHEDULE_OF_FILE',
      `Schedule ${schedule.name} is one of the team file: the next deployment would not bring it back.`,
      'Take it out of the team file and deploy, or pause it.',
    )
  }
  await deleteSchedule(schedule.name)
  return context.body(null, 204)
})

/** @throws RoslinError SCHEDULE_NOT_FOUND */
async function found(name: string): Promise<StoredSchedule> {
  // EventBridge Scheduler takes no other names.
  const stored = /^[\w-]{1,40}$/.test(name) ? await findSchedule(name) : undefined
  if (stored) return stored
  throw new RoslinError(
    'SCHEDULE_NOT_FOUND',
    `There is no schedule ${JSON.stringify(name)}.`,
    'GET /v1/schedules (or `roslin schedules list`) shows those there are.',
  )
}

async function view({ schedule, start, changedAt }: StoredSchedule): Promise<ScheduleView> {
  const { recipe, ...shown } = schedule
  const now = new Date()
  const last = (await firings.newest(scheduleOrigin(schedule.name), SHOWN)).map(firingView)
  const next = schedule.paused ? [] : nextFirings(schedule, now, NEXT, start)
  return {
    ...shown,
    recipeName: recipe.name,
    nextFirings: next.map((time) => time.toISOString()),
    lastFirings: last,
    missed: schedule.paused
      ? []
      : missedTimes(
          schedule,
          { start, changedAt, lastDue: last[0]?.key },
          now,
          schedule.jitterMinutes + RETRY_MINUTES,
        ),
  }
}
