import { z } from 'zod'
import { JOB_STATUSES, jobHasEnded } from '../core/run.ts'
import { machineSchema } from '../core/run-files.ts'
import { machineFile, storageLayout } from '../core/storage-layout.ts'
import type { Attempt } from '../core/store/run-store.ts'
import type { RunCapacity } from '../core/store/table.ts'
import { runs } from './clients.ts'
import { variable } from './environment.ts'
import { describeJobs } from './jobs.ts'
import { logger } from './logger.ts'
import { describeNodes, isNodeJob, nodeCountSchema, ownerJobId } from './node-jobs.ts'
import { readJson } from './s3-json.ts'
import { settleIfDone } from './settle.ts'

const instant = z.number().transform((epochMilliseconds) => new Date(epochMilliseconds).toISOString())

const attemptDetail = z.object({
  startedAt: instant.optional(),
  stoppedAt: instant.optional(),
  statusReason: z.string().optional(),
  container: z
    .object({
      exitCode: z.int().optional(),
      reason: z.string().optional(),
      logStreamName: z.string().optional(),
    })
    .optional(),
})

/** What is told of a job and of each of its nodes alike. */
const containerDetailSchema = z.object({
  status: z.enum(JOB_STATUSES),
  startedAt: instant.optional(),
  stoppedAt: instant.optional(),
  attempts: z.array(attemptDetail).default([]),
  container: z.object({ logStreamName: z.string().optional() }).optional(),
})

type ContainerDetail = z.output<typeof containerDetailSchema>

/** A job of ours, as Batch's events and DescribeJobs tell of it. */
export const jobDetailSchema = containerDetailSchema.extend({
  jobId: z.string(),
  statusReason: z.string().optional(),
  createdAt: instant,
  nodeProperties: nodeCountSchema.optional(),
  parameters: z.object({
    runId: z.string(),
    step: z.enum(['prepare', 'train', 'evaluate']),
    execution: z.coerce.number().int(),
    attempt: z.coerce.number().int(),
    option: z.coerce.number().int(),
  }),
})

type JobDetail = z.output<typeof jobDetailSchema>

/**
 * Writes what Batch says of a job into its attempt and run. Said twice or late, it changes nothing. A node's word is taken for its job's:
 * Batch is asked how that, and all its nodes, are.
 */
export async function recordJob(told: JobDetail, time: string): Promise<void> {
  const detail = isNodeJob(told.jobId) ? await ownerOf(told) : told
  const { runId, step, execution, attempt, option } = detail.parameters
  const executions =
    detail.nodeProperties === undefined
      ? executionsOf(detail, time)
      : await executionsOfNodes(detail, detail.nodeProperties, time)
  const { startedAt, logStreamName } = executions.at(-1) ?? {}
  logger.info('job state', {
    runId,
    execution,
    attempt,
    step,
    option,
    jobId: detail.jobId,
    jobStatus: detail.status,
    logStreamName,
    // From when it was submitted until its machine had it.
    waitSeconds: startedAt && Math.round((Date.parse(startedAt) - Date.parse(detail.createdAt)) / 1000),
  })
  const ended = jobHasEnded(detail.status)
  const machine =
    ended && step !== 'prepare' && executions.length > 0
      ? await machineOf(runId, detail.jobId, option)
      : undefined
  await runs.recordJob(
    {
      runId,
      step,
      jobId: detail.jobId,
      execution,
      attempt,
      option,
      jobStatus: detail.status,
      createdAt: detail.createdAt,
      executions,
      ...(detail.statusReason && { statusReason: detail.statusReason }),
      ...(machine && { machine }),
    },
    time,
  )
  if (ended) await settleIfDone(runId)
}

async function ownerOf({ jobId }: JobDetail): Promise<JobDetail> {
  const [owner] = await describeJobs([ownerJobId(jobId)])
  return jobDetailSchema.parse(owner)
}

/**
 * Each node has a container of its own, which costs as much and has a log. When the job has ended they all have, though Batch may still be
 * stopping some. Of a node that Batch has forgotten the main one's times are taken: the job's own.
 */
async function executionsOfNodes(
  job: JobDetail,
  count: number,
  time: string,
): Promise<Attempt['executions']> {
  const nodes = await describeNodes(job.jobId, count)
  return nodes.flatMap(({ node, described }) => {
    const detail = described ? containerDetailSchema.parse(described) : job
    return executionsOf(detail, time).map((execution) => ({
      node,
      ...(jobHasEnded(job.status) && { stoppedAt: job.stoppedAt ?? time }),
      ...execution,
    }))
  })
}

function executionsOf(detail: ContainerDetail, time: string): Attempt['executions'] {
  const finished = detail.attempts.map(({ startedAt, stoppedAt, statusReason, container }) => ({
    // A container that never started took no time.
    startedAt: startedAt ?? stoppedAt ?? time,
    stoppedAt: stoppedAt ?? time,
    ...(container?.exitCode !== undefined && { exitCode: container.exitCode }),
    ...((container?.reason ?? statusReason) && { reason: container?.reason ?? statusReason }),
    ...(container?.logStreamName && { logStreamName: container.logStreamName }),
  }))
  if (detail.status !== 'RUNNING') return finished
  const { logStreamName } = detail.container ?? {}
  return [...finished, { startedAt: detail.startedAt ?? time, ...(logStreamName && { logStreamName }) }]
}

/**
 * What the job's container found itself on, where it knows the price of it; else its option. Kept with the attempt: a run that is
 * resumed may have other options.
 */
async function machineOf(runId: string, jobId: string, option: number): Promise<RunCapacity | undefined> {
  const uri = `${storageLayout(variable('BUCKET_NAME')).run(runId)}${machineFile(jobId)}`
  const machine = await readJson(uri, machineSchema)
  if (!machine?.priceUsdPerHour) return (await runs.get(runId))?.run.options?.[option]
  const { instanceType, purchase, priceUsdPerHour } = machine
  return { instanceType, purchase, priceUsdPerHour }
}
