import {
  CloudWatchLogsClient,
  GetLogEventsCommand,
  InvalidParameterException,
  ResourceNotFoundException,
} from '@aws-sdk/client-cloudwatch-logs'
import { z } from 'zod'
import { RoslinError } from '../../core/errors.ts'
import { type LogLine, lineText } from '../../core/run-logs.ts'
import { variable } from '../environment.ts'
import { found } from './runs.ts'
import type { Handlers } from './serve.ts'

const logs = new CloudWatchLogsClient({})

/** How far each log stream of the run has been read: stream name → CloudWatch's token. */
const cursorSchema = z.record(z.string(), z.string())
type Cursor = z.output<typeof cursorSchema>

/** The lines of all the run's containers, in order, from the cursor on. */
export const getRunLogs: Handlers['getRunLogs'] = async ({ params: { runId }, query: { cursor } }) => {
  const positions = cursor === undefined ? {} : decode(cursor)
  const { attempts } = await found(runId)
  const lines: LogLine[] = []
  for (const { step, executions } of attempts) {
    const ofAttempt: LogLine[] = []
    for (const { logStreamName, node } of executions) {
      if (!logStreamName) continue
      const { events, token } = await readStream(logStreamName, positions[logStreamName])
      const whose = node === undefined ? { step } : { step, node }
      ofAttempt.push(...events.map(({ at, message }) => ({ at, ...whose, message })))
      if (token) positions[logStreamName] = token
    }
    // Nodes write at once; of the same millisecond, the main one's lines come first.
    lines.push(...ofAttempt.toSorted((one, other) => one.at.localeCompare(other.at)))
  }
  return { lines, cursor: encode(positions) }
}

async function readStream(logStreamName: string, from: string | undefined) {
  const events: { at: string; message: string }[] = []
  let token = from
  try {
    // CloudWatch gives the same token again at the end of a stream; a page may be empty before it.
    for (;;) {
      const page = await logs.send(
        new GetLogEventsCommand({
          logGroupName: variable('JOB_LOG_GROUP_NAME'),
          logStreamName,
          startFromHead: true,
          ...(token && { nextToken: token }),
        }),
      )
      for (const { timestamp = 0, message = '' } of page.events ?? []) {
        events.push({ at: new Date(timestamp).toISOString(), message: lineText(message) })
      }
      if (page.nextForwardToken === token || !page.nextForwardToken) return { events, token }
      token = page.nextForwardToken
    }
  } catch (error) {
    // A container that has printed nothing has no stream yet.
    if (error instanceof ResourceNotFoundException) return { events, token }
    if (error instanceof InvalidParameterException && from) throw unusableCursor()
    throw error
  }
}

function encode(cursor: Cursor): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url')
}

function decode(text: string): Cursor {
  try {
    return cursorSchema.parse(JSON.parse(Buffer.from(text, 'base64url').toString()))
  } catch {
    throw unusableCursor()
  }
}

function unusableCursor(): RoslinError {
  return new RoslinError(
    'REQUEST_INVALID',
    'The cursor is not one of ours.',
    'Leave it out to read from the start.',
    [{ path: 'cursor', message: 'cannot be read' }],
  )
}
