import { z } from 'zod'
import { NOTICE_SHARE } from './budget.ts'
import { RUN_STATUSES } from './run.ts'
import { startedBySchema } from './started-by.ts'
import type { ListedRun } from './store/run-store.ts'

/** Of every event that Roslin sends to the account's default bus. */
export const EVENT_SOURCE = 'roslin.run'
export const RUN_STATUS_CHANGE = 'Roslin Run Status Change'
export const BUDGET_NOTICE = 'Roslin Budget Notice'

/** The detail of "Roslin Run Status Change". Delivered at least once: `runId` and `sequence` tell a second delivery. */
export const runStatusChangeSchema = z.strictObject({
  version: z.literal(1),
  team: z.string(),
  runId: z.string(),
  recipe: z.string(),
  /** Place in the run's timeline, from 0. */
  sequence: z.int().min(0),
  status: z.enum(RUN_STATUSES),
  at: z.iso.datetime({ offset: true }),
  /** One sentence for people. */
  summary: z.string(),
  note: z.string().optional(),
  /** What started the run. */
  startedBy: startedBySchema.optional(),
  failure: z
    .strictObject({
      class: z.string(),
      code: z.string(),
      step: z.string(),
      message: z.string(),
      nextStep: z.string(),
    })
    .optional(),
  model: z
    .strictObject({ name: z.string(), version: z.int(), uri: z.string(), unfinished: z.boolean().optional() })
    .optional(),
})

/** The detail of "Roslin Budget Notice": of a run where it has a `runId`, else of the team's month. */
export const budgetNoticeSchema = z.strictObject({
  version: z.literal(1),
  team: z.string(),
  summary: z.string(),
  limitUsd: z.number(),
  runId: z.string().optional(),
  month: z.string().optional(),
  committedUsd: z.number().optional(),
})

export interface RunEvent {
  readonly detailType: typeof RUN_STATUS_CHANGE | typeof BUDGET_NOTICE
  readonly detail: z.output<typeof runStatusChangeSchema> | z.output<typeof budgetNoticeSchema>
}

export type RunStatusChange = z.output<typeof runStatusChangeSchema>

/** The events of one write to a run: an entry of its timeline each, and the notice of its budget. */
export function eventsOfRun(before: ListedRun | undefined, after: ListedRun): RunEvent[] {
  const changes = changesOfRun(after, before?.timeline.length).map(
    (detail): RunEvent => ({ detailType: RUN_STATUS_CHANGE, detail }),
  )
  return after.budgetNoticeAt && !before?.budgetNoticeAt ? [...changes, noticeOfRun(after)] : changes
}

/** The entries of the run's timeline, from the one with this sequence on. */
export function changesOfRun(run: ListedRun, from = 0): RunStatusChange[] {
  return run.timeline.slice(from).map((entry, index) => {
    const { failure, model } = run
    const isLast = from + index === run.timeline.length - 1
    return {
      version: 1,
      team: run.team,
      runId: run.runId,
      recipe: run.recipeName,
      sequence: from + index,
      ...entry,
      summary: summary(run, entry.status, entry.note),
      ...(run.startedBy && { startedBy: run.startedBy }),
      ...(isLast && failure && { failure }),
      ...(isLast && model && { model }),
    }
  })
}

function summary(
  { runId, recipeName, failure, model }: ListedRun,
  status: string,
  note: string | undefined,
): string {
  const run = `Run ${runId} of ${recipeName}`
  if (status === 'succeeded' && model) return `${run} has succeeded: model ${model.name}@${model.version}.`
  if (failure) return `${run} is ${status}: ${failure.message} ${failure.nextStep}`
  return `${run} is ${status}.${note ? ` ${note}` : ''}`
}

function noticeOfRun({ team, runId, recipeName, reservation, spentUsd = 0 }: ListedRun): RunEvent {
  const limitUsd = (reservation?.usd ?? 0) + spentUsd
  return {
    detailType: BUDGET_NOTICE,
    detail: {
      version: 1,
      team,
      runId,
      limitUsd,
      summary: `Run ${runId} of ${recipeName} has cost ${percent(NOTICE_SHARE)} of the $${limitUsd.toFixed(2)} it may cost.`,
    },
  }
}

export interface TeamMonth {
  readonly team: string
  readonly month: string
  readonly committedUsd: number
}

/** A notice in the moment that the month's spent and reserved money passes its share of the limit; none where there is no limit. */
export function eventsOfMonth(
  before: TeamMonth | undefined,
  after: TeamMonth,
  limitUsd: number | undefined,
): RunEvent[] {
  if (limitUsd === undefined) return []
  const noticeUsd = limitUsd * NOTICE_SHARE
  if ((before?.committedUsd ?? 0) >= noticeUsd || after.committedUsd < noticeUsd) return []
  const { team, month, committedUsd } = after
  return [
    {
      detailType: BUDGET_NOTICE,
      detail: {
        version: 1,
        team,
        month,
        limitUsd,
        committedUsd,
        summary: `$${committedUsd.toFixed(2)} of team ${team}'s $${limitUsd.toFixed(2)} for ${month} are spent or reserved: more than ${percent(NOTICE_SHARE)}.`,
      },
    },
  ]
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
