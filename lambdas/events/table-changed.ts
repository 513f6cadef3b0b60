import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge'
import { unmarshall } from '@aws-sdk/util-dynamodb'
import { z } from 'zod'
import { addUp, metricsOfAttempt, metricsOfRun } from '../../core/change-metrics.ts'
import type { MetricValues } from '../../core/metrics.ts'
import {
  EVENT_SOURCE,
  eventsOfMonth,
  eventsOfRun,
  type RunEvent,
  type TeamMonth,
} from '../../core/run-events.ts'
import type { Attempt, ListedRun } from '../../core/store/run-store.ts'
import { type Item, upgraded } from '../../core/store/schema-versions.ts'
import { monthlyLimitUsd } from '../environment.ts'
import { logger } from '../logger.ts'
import { publish } from '../metrics.ts'

type Image = Parameters<typeof unmarshall>[0]
const image = z.custom<Image>((value) => typeof value === 'object')
const batchOfChanges = z.object({
  Records: z.array(
    z.object({ dynamodb: z.object({ NewImage: image.optional(), OldImage: image.optional() }) }),
  ),
})

const eventBridge = new EventBridgeClient({})
/** PutEvents takes no more at once. */
const EVENTS_AT_ONCE = 10

/** The table's own stream: what is written is announced, by whichever function it was written. At least once, in order for each run. */
export async function handler(event: unknown): Promise<void> {
  const changes = batchOfChanges
    .parse(event)
    .Records.flatMap(({ dynamodb: { NewImage, OldImage } }): Change[] =>
      NewImage ? [{ before: OldImage && itemOf(OldImage), after: itemOf(NewImage) }] : [],
    )
  const events = changes.flatMap(eventsOf)
  for (let start = 0; start < events.length; start += EVENTS_AT_ONCE) {
    await send(events.slice(start, start + EVENTS_AT_ONCE))
  }
  // Last, where nothing can fail any more: a batch that comes again has not been counted.
  for (const { detailType, detail } of events) logger.info(detailType, { ...detail })
  publish(addUp(changes.map(metricsOf)))
}

interface Change {
  readonly before: Item | undefined
  readonly after: Item
}

/** Of an item that was stored by an earlier version, as the current code knows it. */
function itemOf(image: Image): Item {
  return upgraded(unmarshall(image))
}

/** Items are as core/store/table.ts writes them; ElectroDB names the entity in each. */
function eventsOf({ before, after }: Change): RunEvent[] {
  switch (after.__edb_e__) {
    case 'run':
      return eventsOfRun(before as ListedRun | undefined, after as unknown as ListedRun)
    case 'teamMonth':
      return eventsOfMonth(before as TeamMonth | undefined, after as unknown as TeamMonth, monthlyLimitUsd())
    default:
      return []
  }
}

function metricsOf({ before, after }: Change): MetricValues {
  switch (after.__edb_e__) {
    case 'run':
      return metricsOfRun(before as ListedRun | undefined, after as unknown as ListedRun)
    case 'attempt':
      return metricsOfAttempt(before as Attempt | undefined, after as unknown as Attempt)
    default:
      return {}
  }
}

async function send(events: readonly RunEvent[]): Promise<void> {
  const { FailedEntryCount, Entries } = await eventBridge.send(
    new PutEventsCommand({
      Entries: events.map(({ detailType, detail }) => ({
        Source: EVENT_SOURCE,
        DetailType: detailType,
        Detail: JSON.stringify(detail),
        Resources: [],
      })),
    }),
  )
  if (!FailedEntryCount) return
  // The whole batch comes again; those that went through come twice.
  logger.error('events not sent', { entries: Entries?.filter(({ ErrorCode }) => ErrorCode) })
  throw new Error(`${FailedEntryCount} of ${events.length} events were not taken`)
}
