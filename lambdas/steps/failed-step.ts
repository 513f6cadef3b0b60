import { z } from 'zod'
import type { EndedNode } from '../../core/failed-nodes.ts'
import { type FailedStep, multiNodeJob } from '../../core/failure.ts'
import { stepErrorSchema } from '../../core/run-files.ts'
import { RUN_FILES, storageLayout } from '../../core/storage-layout.ts'
import { variable } from '../environment.ts'
import { describeNodes } from '../node-jobs.ts'
import { readJson } from '../s3-json.ts'

/** A failed step as the state machine hands it on. */
export interface Failed {
  readonly runId: string
  readonly step: string
  readonly error: { readonly Error?: string; readonly Cause?: string }
}

const endedNode = z
  .object({
    status: z.string(),
    statusReason: z.string().optional(),
    stoppedAt: z.number().optional(),
    container: z.object({ exitCode: z.int().optional(), reason: z.string().optional() }).optional(),
  })
  .transform(({ status, statusReason, stoppedAt, container }) => ({
    hasFailed: status === 'FAILED',
    statusReason,
    stoppedAt,
    exitCode: container?.exitCode,
    containerReason: container?.reason,
  }))

/** With what its container has said of itself, where it could, and how the nodes of its job ended. */
export async function failedStep({ runId, step, error }: Failed): Promise<FailedStep> {
  const lastError = await readJson(
    `${storageLayout(variable('BUCKET_NAME')).run(runId)}${RUN_FILES.error}`,
    stepErrorSchema,
  )
  const cause = error.Cause ?? ''
  return {
    step,
    error: error.Error ?? '',
    cause,
    ...(lastError?.step === step && { lastError }),
    nodes: await endedNodes(cause),
  }
}

async function endedNodes(cause: string): Promise<EndedNode[]> {
  const job = multiNodeJob(cause)
  const nodes = job ? await describeNodes(job.jobId, job.nodes) : []
  return nodes.flatMap(({ node, described }) => (described ? [{ node, ...endedNode.parse(described) }] : []))
}
