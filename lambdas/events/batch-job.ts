import { z } from 'zod'
import { jobDetailSchema, recordJob } from '../record-job.ts'

const jobEvent = z.object({ time: z.string(), detail: jobDetailSchema })

/**
 * "Batch Job State Change" of a job of ours: the run shows what Batch says, as soon as Batch says it. "Batch Job Queue
 * Blocked" is the same job with the reason why it waits.
 */
export async function handler(event: unknown): Promise<void> {
  const { time, detail } = jobEvent.parse(event)
  await recordJob(detail, time)
}
