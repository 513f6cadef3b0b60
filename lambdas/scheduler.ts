import {
  ConflictException,
  CreateScheduleCommand,
  DeleteScheduleCommand,
  GetScheduleCommand,
  type GetScheduleCommandOutput,
  paginateListSchedules,
  ResourceNotFoundException,
  SchedulerClient,
  UpdateScheduleCommand,
} from '@aws-sdk/client-scheduler'
import { z } from 'zod'
import { type Schedule, schedulerProperties, schedulerTarget, scheduleSchema } from '../core/schedule.ts'
import { nextFirings, rateMinutes } from '../core/schedule-expression.ts'
import type { RequestIdentity } from '../core/store/request-store.ts'
import { variable } from './environment.ts'

const scheduler = new SchedulerClient({})

/** In a name, only ours for the end of a trigger's window: a schedule's is a slug. */
const WINDOW_PREFIX = 'window.'

export interface StoredSchedule {
  readonly schedule: Schedule
  /** From when on a rate counts. */
  readonly start: Date
  readonly changedAt: Date
}

function target() {
  return {
    functionArn: variable('SCHEDULE_FUNCTION_ARN'),
    roleArn: variable('SCHEDULE_ROLE_ARN'),
    deadLetterQueueArn: variable('SCHEDULE_DEAD_LETTER_QUEUE_ARN'),
  }
}

const named = (Name: string) => ({ Name, GroupName: variable('SCHEDULE_GROUP_NAME') })

/** False where there is one of that name that another request made. A rate fires first when it has passed once. */
export async function createSchedule(schedule: Schedule, { id, at }: RequestIdentity): Promise<boolean> {
  const minutes = rateMinutes(schedule.expression)
  const StartDate = minutes === undefined ? undefined : new Date(Date.parse(at) + minutes * 60_000)
  return created({
    ...named(schedule.name),
    ClientToken: id,
    ...schedulerProperties(schedule, target()),
    ...(StartDate && { StartDate }),
  })
}

/** Calls the schedules' function once, at that time, with this. Asked for twice, it is once. */
export async function callAt(id: string, at: Date, input: unknown): Promise<void> {
  // To the second: the next one, not the one before.
  const second = new Date(Math.ceil(at.getTime() / 1000) * 1000).toISOString().slice(0, 19)
  await created({
    ...named(`${WINDOW_PREFIX}${id}`),
    ScheduleExpression: `at(${second})`,
    FlexibleTimeWindow: { Mode: 'OFF' },
    ActionAfterCompletion: 'DELETE',
    Target: schedulerTarget(target(), JSON.stringify(input)),
  })
}

async function created(input: ConstructorParameters<typeof CreateScheduleCommand>[0]): Promise<boolean> {
  try {
    await scheduler.send(new CreateScheduleCommand(input))
    return true
  } catch (error) {
    if (error instanceof ConflictException) return false
    throw error
  }
}

const inputSchema = z.object({ schedule: scheduleSchema })

export async function findSchedule(name: string): Promise<StoredSchedule | undefined> {
  const stored = await get(name)
  return stored && parse(stored)
}

async function get(name: string): Promise<GetScheduleCommandOutput | undefined> {
  return scheduler.send(new GetScheduleCommand(named(name))).catch((error) => {
    if (error instanceof ResourceNotFoundException) return undefined
    throw error
  })
}

/** What was paused since it was made is told by its state, not by what it is called with. */
function parse({ Target, State, StartDate, CreationDate, LastModificationDate }: GetScheduleCommandOutput) {
  const { schedule } = inputSchema.parse(JSON.parse(Target?.Input ?? ''))
  const created = CreationDate ?? new Date()
  return {
    schedule: { ...schedule, paused: State === 'DISABLED' },
    start: StartDate ?? created,
    changedAt: LastModificationDate ?? created,
  }
}

/** In the order of their names. */
export async function listSchedules(): Promise<readonly StoredSchedule[]> {
  const found: string[] = []
  for await (const { Schedules = [] } of paginateListSchedules(
    { client: scheduler },
    { GroupName: variable('SCHEDULE_GROUP_NAME') },
  )) {
    found.push(...Schedules.flatMap(({ Name }) => (Name && !Name.startsWith(WINDOW_PREFIX) ? [Name] : [])))
  }
  const schedules = await Promise.all(found.sort().map(findSchedule))
  return schedules.filter((schedule) => schedule !== undefined)
}

/** Of a rate, the next of its times: AWS takes no start that has passed, and without one would call at once. */
function nextStart({
  ScheduleExpression: expression = '',
  StartDate,
}: GetScheduleCommandOutput): Date | undefined {
  return StartDate && nextFirings({ expression, timeZone: 'UTC' }, new Date(), 1, StartDate)[0]
}

/** An update replaces all of a schedule: what is not given again would be lost. */
export async function pauseSchedule(name: string, paused: boolean): Promise<void> {
  const stored = await get(name)
  if (!stored) return
  const { ScheduleExpression, ScheduleExpressionTimezone, FlexibleTimeWindow, Target } = stored
  const StartDate = nextStart(stored)
  await scheduler.send(
    new UpdateScheduleCommand({
      ...named(name),
      ScheduleExpression,
      ScheduleExpressionTimezone,
      FlexibleTimeWindow,
      Target,
      ...(StartDate && { StartDate }),
      State: paused ? 'DISABLED' : 'ENABLED',
    }),
  )
}

export async function deleteSchedule(name: string): Promise<void> {
  await scheduler.send(new DeleteScheduleCommand(named(name))).catch((error) => {
    if (!(error instanceof ResourceNotFoundException)) throw error
  })
}
