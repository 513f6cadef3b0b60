import type { MiddlewareHandler } from 'hono'
import { z } from 'zod'
import { RoslinError } from '../../core/errors.ts'
import { logger } from '../logger.ts'

const asked = z.object({ event: z.object({ requestContext: z.object({ requestId: z.string() }) }) })
const OF_RUN = /^\/v1\/runs\/([0-9A-Z]{26})(?:\/|$)/

/** One line a request, and on all lines in between the request's id and the run's. The id is that of API Gateway's access log. */
export const requestLog: MiddlewareHandler = async (context, next) => {
  const startedAt = performance.now()
  const { method, path } = context.req
  const requestId = asked.safeParse(context.env).data?.event.requestContext.requestId
  const [, runId] = OF_RUN.exec(path) ?? []
  logger.resetKeys()
  logger.appendKeys({ ...(requestId && { requestId }), ...(runId && { runId }) })
  await next()
  logger.info('request', {
    method,
    path,
    status: context.res.status,
    ...(context.error instanceof RoslinError && { code: context.error.code }),
    milliseconds: Math.round(performance.now() - startedAt),
  })
}
