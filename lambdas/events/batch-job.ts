import { z } from 'zod'
import { JOB_STATUSES } from '../../core/run.ts'
import { runs } from '../clients.ts'
import { logger } from '../logger.ts'

const instant = z.number().transform((epochMilliseconds) => new Date(epochMilliseconds).toISOString())

const attemptDetail = z.object({
  startedAt: instant.optional(),
  stoppedAt: instant.optional(),
  statusReason: z.string().optional(),
  container: z
    .object({
      exitCode: z.int().optional(),
      reason: z.string().optional(),
      logStreamName: z.string().optional(),
    })
    .optional(),
})

const jobEvent = z.object({
  time: z.string(),
  detail: z.object({
    jobId: z.string(),
    status: z.enum(JOB_STATUSES),
    statusReason: z.string().optional(),
    createdAt: instant,
    startedAt: instant.optional(),
    parameters: z.object({
      runId: z.string(),
      step: z.enum(['prepare', 'train', 'evaluate']),
      attempt: z.coerce.number().int(),
      option: z.coerce.number().int(),
    }),
    attempts: z.array(attemptDetail).default([]),
    container: z.object({ logStreamName: z.string().optional() }).optional(),
  }),
})

/** "Batch Job State Change" of a job of ours: the run shows what Batch says, as soon as Batch says it. */
export async function handler(event: unknown): Promise<void> {
  const { time, detail } = jobEvent.parse(event)
  const { runId, step, attempt, option } = detail.parameters
  logger.info('job state', { runId, step, jobId: detail.jobId, jobStatus: detail.status })
  const finished = detail.attempts.map(({ startedAt, stoppedAt, statusReason, container }) => ({
    // A container that never started took no time.
    startedAt: startedAt ?? stoppedAt ?? time,
    stoppedAt: stoppedAt ?? time,
    ...(container?.exitCode !== undefined && { exitCode: container.exitCode }),
    ...((container?.reason ?? statusReason) && { reason: container?.reason ?? statusReason }),
    ...(container?.logStreamName && { logStreamName: container.logStreamName }),
  }))
  const running =
    detail.status === 'RUNNING'
      ? [
          {
            startedAt: detail.startedAt ?? time,
            ...(detail.container?.logStreamName && { logStreamName: detail.container.logStreamName }),
          },
        ]
      : []
  await runs.recordJob(
    {
      runId,
      step,
      jobId: detail.jobId,
      attempt,
      option,
      jobStatus: detail.status,
      createdAt: detail.createdAt,
      executions: [...finished, ...running],
      ...(detail.statusReason && { statusReason: detail.statusReason }),
    },
    time,
  )
}
