import { z } from 'zod'
import { scheduleSchema } from '../../core/schedule.ts'
import { claimAndStart } from '../firings.ts'
import { fireSchedule } from './fire-schedule.ts'
import { sweepFirings } from './sweep-firings.ts'

const event = z.union([
  /** From EventBridge Scheduler, at a schedule's time. */
  z.object({ schedule: scheduleSchema, scheduledTime: z.iso.datetime({ offset: true }) }),
  /** From there too: the window of a trigger closes. */
  z.object({ firing: z.object({ origin: z.string(), key: z.string() }) }),
  /** A run has ended, or some minutes have passed. */
  z.object({ sweep: z.literal(true) }),
])

/** All that starts runs by itself when its time has come. */
export async function handler(input: unknown): Promise<void> {
  const occasion = event.parse(input)
  const now = new Date()
  if ('schedule' in occasion) await fireSchedule(occasion.schedule, new Date(occasion.scheduledTime), now)
  else if ('firing' in occasion) await claimAndStart(occasion.firing)
  else await sweepFirings(now)
}
