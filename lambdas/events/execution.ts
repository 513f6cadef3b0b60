import { z } from 'zod'
import type { RunFailure } from '../../core/run.ts'
import { runs } from '../clients.ts'
import { logger } from '../logger.ts'

const executionEvent = z.object({
  time: z.string(),
  detail: z.object({
    name: z.string(),
    status: z.enum(['FAILED', 'TIMED_OUT', 'ABORTED']),
    error: z.string().nullish(),
    cause: z.string().nullish(),
  }),
})

const REASON = {
  FAILED: 'ended with an error that no step recorded',
  TIMED_OUT: 'ran longer than a flow may',
  ABORTED: 'was stopped from outside',
} as const

/** The execution's own end is the truth about a run's end: it ends a run that the flow's Fail state did not. */
export async function handler(event: unknown): Promise<void> {
  const { time, detail } = executionEvent.parse(event)
  const { name: runId, status, error, cause } = detail
  const failure: RunFailure = {
    class: status === 'ABORTED' ? 'aborted' : 'internal',
    code: `EXECUTION_${status}`,
    step: 'flow',
    message: `The run's execution ${REASON[status]}${cause || error ? `: ${cause || error}` : ''}.`,
    nextStep: 'Start the run again.',
  }
  const ended = await runs.advance(runId, 'failed', time, { failure })
  logger.info('execution ended', { runId, status, runEnded: ended })
}
