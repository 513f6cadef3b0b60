import { z } from 'zod'
import { newEventSchema, sentEventSchema } from '../event.ts'
import { slugSchema } from '../recipe.ts'
import { newScheduleSchema, scheduleListSchema, scheduleViewSchema } from '../schedule.ts'
import { del, get, post } from './route.ts'

const tag = 'Automation'
const params = z.object({ name: slugSchema })

/** What starts runs by itself. */
export const AUTOMATION_ROUTES = {
  listSchedules: get('/v1/schedules', {
    tag,
    summary: 'The schedules, each with its next firings and what became of its last',
    answer: scheduleListSchema,
  }),
  createSchedule: post('/v1/schedules', {
    tag,
    summary: 'Start runs of a recipe at set times',
    body: newScheduleSchema,
    answer: scheduleViewSchema,
    status: 201,
    errors: ['RECIPE_INVALID', 'SCHEDULE_EXISTS'],
  }),
  getSchedule: get('/v1/schedules/{name}', {
    tag,
    summary: 'One schedule',
    params,
    answer: scheduleViewSchema,
    errors: ['SCHEDULE_NOT_FOUND'],
  }),
  pauseSchedule: post('/v1/schedules/{name}/pause', {
    tag,
    summary: 'Let it not fire until it is resumed',
    params,
    answer: scheduleViewSchema,
    errors: ['SCHEDULE_NOT_FOUND'],
  }),
  resumeSchedule: post('/v1/schedules/{name}/resume', {
    tag,
    summary: 'Let it fire again; what passed meanwhile is not made up for',
    params,
    answer: scheduleViewSchema,
    errors: ['SCHEDULE_NOT_FOUND'],
  }),
  deleteSchedule: del('/v1/schedules/{name}', {
    tag,
    summary: 'Take away a schedule that was made here; its runs stay',
    params,
    errors: ['SCHEDULE_NOT_FOUND', 'SCHEDULE_OF_FILE'],
  }),
  sendEvent: post('/v1/events', {
    tag,
    summary: 'Something happened elsewhere: the recipes start whose trigger names its source',
    body: newEventSchema,
    answer: sentEventSchema,
    status: 202,
    errors: ['SOURCE_UNKNOWN'],
  }),
}
