import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { RoslinError } from '../../core/errors.ts'
import { datasetHandlers } from './datasets.ts'
import { createEstimate } from './estimates.ts'
import { sendEvent } from './events.ts'
import { getRunLogs } from './logs.ts'
import { modelHandlers } from './models.ts'
import { openApiDocument } from './openapi.ts'
import { problem } from './problem.ts'
import { recipeHandlers } from './recipes.ts'
import { requestLog } from './request-log.ts'
import { runActionHandlers } from './run-actions.ts'
import { runFileHandlers } from './run-files.ts'
import { runHandlers } from './runs.ts'
import { scheduleHandlers } from './schedules.ts'
import { serve } from './serve.ts'
import { getHealth, getTeam } from './team.ts'
import { uploadHandlers } from './uploads.ts'

/** A recipe with its prompts, which must fit an item of the table (400 KB); data goes up to S3 directly. */
const MAX_BODY_BYTES = 256 * 1024

/** The HTTP API, version 1. Who may call it is API Gateway's business: every route asks for a signed request. */
export const app = new Hono()

app.use(requestLog)
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

serve(app, {
  getHealth,
  getOpenApi: () => ({ ...openApiDocument() }),
  getTeam,
  ...runHandlers,
  ...runActionHandlers,
  ...runFileHandlers,
  getRunLogs,
  createEstimate,
  ...recipeHandlers,
  ...modelHandlers,
  ...uploadHandlers,
  ...datasetHandlers,
  ...scheduleHandlers,
  sendEvent,
})

app.notFound((context) =>
  problem(
    new RoslinError(
      'ROUTE_NOT_FOUND',
      `There is no ${context.req.method} ${context.req.path}.`,
      'docs/reference/api.md lists the routes.',
    ),
  ),
)

app.onError(problem)
