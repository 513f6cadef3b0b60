import { checkRemote, inBucket, withOverrides } from '../../core/deployed-recipe.ts'
import { RoslinError } from '../../core/errors.ts'
import { scheduleOrigin } from '../../core/firing.ts'
import { missedTimes } from '../../core/missed-times.ts'
import { RETRY_MINUTES, type ScheduleView } from '../../core/schedule.ts'
import { nextFirings } from '../../core/schedule-expression.ts'
import { firingView } from '../../core/store/firing-store.ts'
import { firings } from '../clients.ts'
import { deployment } from '../environment.ts'
import {
  createSchedule as create,
  deleteSchedule,
  findSchedule,
  listSchedules as list,
  pauseSchedule,
  type StoredSchedule,
} from '../scheduler.ts'
import type { Handlers } from './serve.ts'

const SHOWN = 10
const NEXT = 3

type ScheduleHandlers = Pick<
  Handlers,
  'listSchedules' | 'createSchedule' | 'getSchedule' | 'pauseSchedule' | 'resumeSchedule' | 'deleteSchedule'
>

export const scheduleHandlers: ScheduleHandlers = {
  listSchedules: async () => ({ schedules: await Promise.all((await list()).map(view)) }),
  createSchedule: async ({ body: { recipe: given, overrides, ...timing }, request }) => {
    const recipe = checkRemote(withOverrides(given, overrides), `schedule ${timing.name}`)
    const schedule = {
      ...timing,
      source: 'api' as const,
      recipe: inBucket(recipe, deployment().bucket),
    }
    if (!(await create(schedule, request))) throw taken(timing.name)
    return view(await found(timing.name))
  },
  getSchedule: async ({ params: { name } }) => view(await found(name)),
  pauseSchedule: ({ params: { name } }) => setPaused(name, true),
  resumeSchedule: ({ params: { name } }) => setPaused(name, false),
  deleteSchedule: async ({ params: { name } }) => {
    const { schedule } = await found(name)
    if (schedule.source === 'file') throw ofFile(name)
    await deleteSchedule(name)
    return null
  },
}

async function setPaused(name: string, paused: boolean): Promise<ScheduleView> {
  const { schedule } = await found(name)
  if (schedule.paused !== paused) await pauseSchedule(name, paused)
  return view(await found(name))
}

function taken(name: string): RoslinError {
  return new RoslinError(
    'SCHEDULE_EXISTS',
    `There is a schedule ${name} already.`,
    'Give another name, or delete that one first.',
    [{ path: 'name', message: `${name} is taken` }],
  )
}

function ofFile(name: string): RoslinError {
  return new RoslinError(
    'SCHEDULE_OF_FILE',
    `Schedule ${name} is one of the team file: the next deployment would not bring it back.`,
    'Take it out of the team file and deploy, or pause it.',
  )
}

/** @throws RoslinError SCHEDULE_NOT_FOUND */
async function found(name: string): Promise<StoredSchedule> {
  const stored = await findSchedule(name)
  if (stored) return stored
  throw new RoslinError(
    'SCHEDULE_NOT_FOUND',
    `There is no schedule ${name}.`,
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
