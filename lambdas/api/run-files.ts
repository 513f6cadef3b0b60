import type { z } from 'zod'
import { RoslinError } from '../../core/errors.ts'
import { hasEnded } from '../../core/run.ts'
import { evaluationSchema, metricsSchema, profileSchema } from '../../core/run-files.ts'
import { profileFile, RUN_FILES, storageLayout } from '../../core/storage-layout.ts'
import { variable } from '../environment.ts'
import { readJson } from '../s3-json.ts'
import { found } from './runs.ts'
import type { Handlers } from './serve.ts'

export const runFileHandlers: Pick<Handlers, 'getRunMetrics' | 'getRunSamples' | 'getRunProfile'> = {
  getRunMetrics: ({ params }) => runFile(params.runId, RUN_FILES.metrics, metricsSchema, 'training'),
  getRunSamples: ({ params }) => runFile(params.runId, RUN_FILES.evaluation, evaluationSchema, 'evaluation'),
  getRunProfile: ({ params, query }) =>
    runFile(params.runId, profileFile(query.node), profileSchema, `machine ${query.node}`),
}

/** @throws RoslinError RUN_NOT_FOUND, NOT_READY */
async function runFile<T>(runId: string, file: string, schema: z.ZodType<T>, writer: string): Promise<T> {
  const { run } = await found(runId)
  const content = await readJson(`${storageLayout(variable('BUCKET_NAME')).run(run.runId)}${file}`, schema)
  if (content !== undefined) return content
  const next = hasEnded(run.status) ? 'The run ended before that; its failure says why.' : 'Ask again later.'
  throw new RoslinError(
    'NOT_READY',
    `Run ${run.runId} is ${run.status}: its ${writer} has written nothing yet.`,
    next,
  )
}
