import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { RoslinError } from '../../core/errors.ts'
import { variable } from '../environment.ts'
import { logger } from '../logger.ts'
import { datasetRoutes } from './datasets.ts'
import { estimateRoutes } from './estimates.ts'
import { eventRoutes } from './events.ts'
import { logRoutes } from './logs.ts'
import { runActionRoutes } from './run-actions.ts'
import { runRoutes } from './runs.ts'
import { scheduleRoutes } from './schedules.ts'
import { teamRoutes } from './team.ts'
import { uploadRoutes } from './uploads.ts'

/** A recipe with its prompts, which must fit an item of the table (400 KB); data goes up to S3 directly. */
const MAX_BODY_BYTES = 256 * 1024

/** The HTTP API, version 1. Who may call it is API Gateway's business: every route asks for a signed request. */
export const app = new Hono()

app.use(
  bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: () => {
      throw new RoslinError(
        'REQUEST_INVALID',
        `The body is larger than ${MAX_BODY_BYTES} bytes.`,
        'Send data to S3, not in the body.',
      )
    },
  }),
)

app.get('/v1/health', (context) =>
  context.json({ team: variable('TEAM'), version: variable('CODE_VERSION') }),
)
app.route('/v1/runs', runRoutes)
app.route('/v1/runs', runActionRoutes)
app.route('/v1/runs', logRoutes)
app.route('/v1/estimates', estimateRoutes)
app.route('/v1/schedules', scheduleRoutes)
app.route('/v1/datasets', datasetRoutes)
app.route('/v1/events', eventRoutes)
app.route('/v1/team', teamRoutes)
app.route('/v1/uploads', uploadRoutes)

app.notFound((context) =>
  problem(
    new RoslinError(
      'ROUTE_NOT_FOUND',
      `There is no ${context.req.method} ${context.req.path}.`,
      'docs/reference/api.md lists the routes.',
    ),
  ),
)

app.onError((error) => {
  if (error instanceof RoslinError) return problem(error)
  logger.error('unexpected error', error)
  return problem(
    new RoslinError(
      'INTERNAL',
      'The request could not be answered: a fault of ours.',
      "Read the API's log, then try again.",
    ),
  )
})

function problem(error: RoslinError): Response {
  const body = error.toProblem()
  return new Response(JSON.stringify(body), {
    status: body.status,
    headers: { 'content-type': 'application/problem+json' },
  })
}
