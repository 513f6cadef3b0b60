import { z } from 'zod'
import { parseExecutionName, type RunFailure } from '../../core/run.ts'
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

const REASON = {
  FAILED: 'ended with an error that no step recorded',
  TIMED_OUT: 'ran longer than a flow may',
  ABORTED: 'was stopped from outside',
} as const

type Ended = Pick<z.output<typeof executionEvent>['detail'], 'status' | 'error' | 'cause'>

/** The execution's own end is the truth about a run's end: it ends a run that the flow's Fail state did not. */
export async function handler(event: unknown): Promise<void> {
  const { time, detail } = executionEvent.parse(event)
  const { runId, execution } = parseExecutionName(detail.name)
  const ended = await runs.advance(runId, {
    status: 'failed',
    at: time,
    moment: { execution },
    details: { failure: executionFailure(detail) },
  })
  logger.info('execution ended', { runId, execution, status: detail.status, runEnded: ended })
  await settleIfDone(runId)
}

export function executionFailure({ status, error, cause }: Ended): RunFailure {
  return {
    class: status === 'ABORTED' ? 'aborted' : 'internal',
    code: `EXECUTION_${status}`,
    step: 'flow',
    message: `The run's execution ${REASON[status]}${cause || error ? `: ${cause || error}` : ''}.`,
    nextStep: 'Resume the run: it goes on from its newest checkpoint.',
  }
}
