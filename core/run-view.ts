import { z } from 'zod'
import { costUsd } from './cost.ts'
import { recipeSchema } from './recipe.ts'
import { hasEnded, JOB_STATUSES, RUN_STATUSES, STEPS } from './run.ts'
import { startedBySchema } from './started-by.ts'
import type { Attempt, ListedRun, Run } from './store/run-store.ts'

const at = z.iso.datetime({ offset: true })

const capacity = z.object({
  instanceType: z.string(),
  purchase: z.string(),
  priceUsdPerHour: z.number(),
})

export const failureSchema = z.object({
  class: z.string(),
  code: z.string(),
  step: z.string(),
  message: z.string(),
  nextStep: z.string(),
})

/** What a run's training came to, as far as its trainer wrote it: enough to compare runs by. */
export const finalMetricsSchema = z.object({
  lossFirst: z.number().nullable(),
  lossLast: z.number().nullable(),
  heldOutLoss: z.array(z.object({ epoch: z.number(), loss: z.number() })).readonly(),
  tokensPerSecond: z.number().nullable(),
  /** Of training, all attempts together. */
  trainingHours: z.number().nullable(),
})
export type FinalMetrics = z.output<typeof finalMetricsSchema>

/** A run as the list has it: what is stored, but for its recipe, and its age. */
export const runListItemSchema = z
  .object({
    runId: z.ulid(),
    team: z.string(),
    recipeName: z.string(),
    status: z.enum(RUN_STATUSES),
    createdAt: at,
    startedBy: startedBySchema.optional().describe('A person, or what it was that started it'),
    endedAt: at.optional(),
    timeline: z
      .array(z.object({ status: z.enum(RUN_STATUSES), at, note: z.string().optional() }))
      .readonly()
      .describe('How the run came to its status'),
    execution: z.int().min(0).describe('One more with each resume'),
    from: z.enum(STEPS).describe('The step that this execution begins with'),
    planUri: z.string().optional(),
    capacity: capacity.optional().describe('What it runs on, or ran on last'),
    options: z
      .array(capacity)
      .readonly()
      .optional()
      .describe('Its capacity options; an attempt names one by index'),
    failure: failureSchema.optional(),
    model: z
      .object({ name: z.string(), version: z.int(), uri: z.string(), unfinished: z.boolean().optional() })
      .optional(),
    metrics: finalMetricsSchema
      .optional()
      .describe('What its training came to; of a run that was registered'),
    reservation: z
      .object({ month: z.string(), usd: z.number() })
      .optional()
      .describe("Of the team's budget, until the run and its jobs have ended"),
    spentUsd: z.number().optional().describe('What is accounted of its cost'),
    spentMonth: z.string().optional().describe('The month, UTC, that this counts in'),
    budgetNoticeAt: at.optional(),
    elapsedSeconds: z.int().min(0),
  })
  .meta({ id: 'RunListItem' })

const attemptSchema = z.object({
  runId: z.ulid(),
  jobId: z.string(),
  step: z.enum(['prepare', 'train', 'evaluate']),
  execution: z.int(),
  attempt: z.int().describe('Jobs of the run that failed before this one'),
  option: z.int().describe("Index into the run's options"),
  jobStatus: z.enum(JOB_STATUSES),
  createdAt: at,
  executions: z
    .array(
      z.object({
        node: z.int().optional().describe('Of a job of several nodes: whose container; the main one is 0'),
        startedAt: at,
        stoppedAt: at.optional(),
        exitCode: z.int().optional(),
        reason: z.string().optional(),
        logStreamName: z.string().optional(),
      }),
    )
    .readonly(),
  statusReason: z.string().optional(),
  machine: capacity.optional(),
})

/** One run with all of it: its recipe and its attempts. */
export const runDetailSchema = runListItemSchema
  .extend({
    costUsd: z.number(),
    recipe: recipeSchema,
    attempts: z.array(attemptSchema).readonly(),
    waiting: z
      .object({ because: z.string(), next: z.string(), nextAt: at.nullable() })
      .optional()
      .describe('Why it has no machine yet, and what comes next'),
  })
  .meta({ id: 'Run' })
export type RunDetail = z.output<typeof runDetailSchema>

export const runListSchema = z.object({
  runs: z.array(runListItemSchema).readonly(),
  cursor: z.string().nullable().describe('Give it back to get the next page; null on the last'),
})
export type RunList = z.output<typeof runListSchema>

/** An item has it, and it is nobody's business but the store's. */
interface Position {
  readonly position?: number
}

export function runDetail(
  { position: _, reopenedBy: __, ...run }: Run & Position,
  attempts: readonly Attempt[],
  now: Date,
): RunDetail {
  return {
    ...run,
    attempts: attempts.map(({ position: _, ...attempt }: Attempt & Position) => attempt),
    costUsd: costUsd(attempts, run.options ?? [], runClock(run, now)),
    elapsedSeconds: elapsed(run, now),
  }
}

export function runListItem(
  { recipe: _, position: __, reopenedBy: ___, ...run }: ListedRun & Partial<Run> & Position,
  now: Date,
): RunList['runs'][number] {
  return { ...run, elapsedSeconds: elapsed(run, now) }
}

type Timed = Pick<Run, 'status' | 'createdAt' | 'endedAt'>

/** A run's clock stands still once it has ended. */
function runClock(run: Timed, now: Date): Date {
  return hasEnded(run.status) && run.endedAt ? new Date(run.endedAt) : now
}

function elapsed(run: Timed, now: Date): number {
  return Math.max(0, Math.round((runClock(run, now).getTime() - Date.parse(run.createdAt)) / 1000))
}
