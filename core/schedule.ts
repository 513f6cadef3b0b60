import { z } from 'zod'
import { overridesSchema, shallowJson } from './deployed-recipe.ts'
import { firingSchema } from './firing.ts'
import { recipeSchema, slugSchema } from './recipe.ts'
import { expressionProblem, timeZoneProblem } from './schedule-expression.ts'

/** When a schedule fires and what it does then; all but its recipe. */
const timing = {
  name: slugSchema,
  expression: z
    .string()
    .superRefine((text, context) => {
      const message = expressionProblem(text)
      if (message) context.addIssue({ code: 'custom', message })
    })
    .describe("EventBridge Scheduler's cron(0 2 ? * SAT *) or rate(7 days)"),
  timeZone: z
    .string()
    .superRefine((text, context) => {
      const message = timeZoneProblem(text)
      if (message) context.addIssue({ code: 'custom', message })
    })
    .default('UTC')
    .describe('IANA, as in Europe/London; daylight saving time is kept'),
  jitterMinutes: z
    .int()
    .min(0)
    .max(1440)
    .default(0)
    .describe('It fires at some time in so many minutes from the time due'),
  overlap: z
    .enum(['skip', 'queue', 'cancel-previous'])
    .default('skip')
    .describe("When the schedule's last run has not ended: no run, one after it, or one in its place"),
  whenUnchanged: z
    .enum(['skip', 'run'])
    .default('skip')
    .describe('When data, base model, recipe and code are those of its last success'),
  paused: z.boolean().default(false),
}

/** In the team's file. */
export const teamScheduleSchema = z.strictObject({
  ...timing,
  recipe: z
    .string()
    .min(1)
    .describe("A recipe's file, from the project's folder; its sources s3:// or hf://"),
  overrides: overridesSchema.default({}),
})

/** To the API. */
export const newScheduleSchema = z.strictObject({
  ...timing,
  recipe: shallowJson,
  overrides: overridesSchema.default({}),
})
export type NewSchedule = z.input<typeof newScheduleSchema>

/** As EventBridge Scheduler holds it: with its whole recipe, so that a firing needs nothing else. */
export const scheduleSchema = z.strictObject({
  ...timing,
  source: z.enum(['file', 'api']),
  recipe: recipeSchema,
})
export type Schedule = z.output<typeof scheduleSchema>

/** What its function is called with: EventBridge Scheduler puts the time due in place of its variable. */
export function scheduleInput(schedule: Schedule): string {
  return JSON.stringify({ schedule, scheduledTime: '<aws.scheduler.scheduled-time>' })
}

/** Minutes in which a target may be tried again. What is later is missed, not made up for: its next firing comes. */
export const RETRY_MINUTES = 60

/** The properties that a schedule has at EventBridge Scheduler, from the team's file and from the API alike. */
export function schedulerProperties(schedule: Schedule, target: SchedulerTarget) {
  return {
    ScheduleExpression: schedule.expression,
    ScheduleExpressionTimezone: schedule.timeZone,
    FlexibleTimeWindow:
      schedule.jitterMinutes > 0
        ? ({ Mode: 'FLEXIBLE', MaximumWindowInMinutes: schedule.jitterMinutes } as const)
        : ({ Mode: 'OFF' } as const),
    State: schedule.paused ? ('DISABLED' as const) : ('ENABLED' as const),
    Target: schedulerTarget(target, scheduleInput(schedule)),
  }
}

/** What EventBridge Scheduler calls, as whom, and where what could not be delivered goes. */
export interface SchedulerTarget {
  readonly functionArn: string
  readonly roleArn: string
  readonly deadLetterQueueArn: string
}

export function schedulerTarget(target: SchedulerTarget, input: string) {
  return {
    Arn: target.functionArn,
    RoleArn: target.roleArn,
    Input: input,
    DeadLetterConfig: { Arn: target.deadLetterQueueArn },
    RetryPolicy: { MaximumEventAgeInSeconds: RETRY_MINUTES * 60, MaximumRetryAttempts: 20 },
  }
}

/** A schedule as the API shows it. */
export const scheduleViewSchema = z
  .object({
    ...timing,
    source: z.enum(['file', 'api']),
    recipeName: z.string(),
    nextFirings: z.array(z.string()).readonly().describe('The next three; none while it is paused'),
    lastFirings: z.array(firingSchema).readonly().describe('The newest first'),
    missed: z
      .array(z.string())
      .readonly()
      .describe('Times due since it was last changed that nothing was heard of'),
  })
  .meta({ id: 'Schedule' })
export type ScheduleView = z.output<typeof scheduleViewSchema>

export const scheduleListSchema = z.object({ schedules: z.array(scheduleViewSchema).readonly() })
export type ScheduleList = z.output<typeof scheduleListSchema>
