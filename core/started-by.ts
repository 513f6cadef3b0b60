import { z } from 'zod'

/** What started a run: somebody who asked for it, or an occasion that was waited for. */
export const startedBySchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('person'), arn: z.string().optional() }),
  z.strictObject({ kind: z.literal('schedule'), name: z.string(), scheduledAt: z.string() }),
  z.strictObject({ kind: z.literal('dataset'), name: z.string(), version: z.int() }),
  z.strictObject({ kind: z.literal('model'), name: z.string(), version: z.int() }),
  z.strictObject({
    kind: z.literal('event'),
    source: z.string(),
    eventId: z.string(),
    /** What came with it, as JSON text: the table holds no number or name of any kind. */
    detail: z.string().optional(),
  }),
])

export type StartedBy = z.output<typeof startedBySchema>

/** For people, as in `started by schedule nightly, due 2026-11-24T02:00:00.000Z`. */
export function startedByText(startedBy: StartedBy): string {
  switch (startedBy.kind) {
    case 'person':
      return startedBy.arn ?? 'a person'
    case 'schedule':
      return `schedule ${startedBy.name}, due ${startedBy.scheduledAt}`
    case 'dataset':
    case 'model':
      return `${startedBy.kind} ${startedBy.name}@${startedBy.version}`
    case 'event':
      return `event ${startedBy.eventId} of ${startedBy.source}`
  }
}
