import { z } from 'zod'
import { executionFailure } from '../../core/failure.ts'
import { parseExecutionName } from '../../core/run.ts'
import { runs } from '../clients.ts'
import { logger } from '../logger.ts'
import { settleIfDone } from '../settle.ts'

const executionEvent = z.object({
  time: z.string(),
  detail: z.object({
    name: z.string(),
    status: z.enum(['FAILED', 'TIMED_OUT', 'ABORTED']),
    error: z.string().nullish(),
    cause: z.string().nullish(),
  }),
})

/** The execution's own end is the truth about a run's end: it ends a run that the flow's Fail state did not. */
export async function handler(event: unknown): Promise<void> {
  const { time, detail } = executionEvent.parse(event)
  const { runId, execution } = parseExecutionName(detail.name)
  const ended = await runs.advance(runId, {
    status: 'failed',
    at: time,
    moment: { execution },
    details: { failure: executionFailure(detail.status, detail) },
  })
  logger.info('execution ended', { runId, execution, status: detail.status, runEnded: ended })
  await settleIfDone(runId)
}
