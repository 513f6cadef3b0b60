import { type ErrorCode, RoslinError } from '../../core/errors.ts'
import { logger } from '../logger.ts'

/** When the same request may go through. */
const RETRY_AFTER_SECONDS: Partial<Record<ErrorCode, number>> = {
  REQUEST_IN_PROGRESS: 2,
  TOO_MANY_RUNS: 60,
  RUN_STILL_STOPPING: 30,
  RUN_NOT_STARTED: 60,
  HUB_UNREACHABLE: 60,
}

/** Any error as problem details (RFC 9457). What is not meant for people is logged, and not shown. */
export function problem(error: unknown): Response {
  const own = RoslinError.in(error)
  if (!own) {
    logger.error('unexpected error', error as Error)
    return problem(
      new RoslinError(
        'INTERNAL',
        'The request could not be answered: a fault of ours.',
        "Read the API's log, then try again.",
      ),
    )
  }
  const body = own.toProblem()
  const retryAfter = RETRY_AFTER_SECONDS[body.code]
  return new Response(JSON.stringify(body), {
    status: body.status,
    headers: {
      'content-type': 'application/problem+json',
      ...(retryAfter && { 'retry-after': String(retryAfter) }),
    },
  })
}
