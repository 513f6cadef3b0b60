import { GetJobQueueSnapshotCommand } from '@aws-sdk/client-batch'
import { GetServiceQuotaCommand, ServiceQuotasClient } from '@aws-sdk/client-service-quotas'
import { optionName } from '../../core/capacity.ts'
import { quotaOf } from '../../core/quotas.ts'
import { nodesOf } from '../../core/recipe.ts'
import { hasEnded, jobHasEnded } from '../../core/run.ts'
import type { Attempt, Run } from '../../core/store/run-store.ts'
import { explainWaiting, type WaitingJob, type WaitingReason } from '../../core/waiting.ts'
import { deployment, variable } from '../environment.ts'
import { batch, describeJobs } from '../jobs.ts'
import { logger } from '../logger.ts'

const serviceQuotas = new ServiceQuotasClient({ maxAttempts: 1 })

/** Machines come within this, or something is amiss: before, nobody need ask for quotas. */
const PATIENCE_MILLISECONDS = 60_000

/** Why a run has no machine yet; undefined for one that does not wait for one. */
export async function waitingReason(
  run: Run,
  attempts: readonly Attempt[],
  now: Date,
): Promise<WaitingReason | undefined> {
  const attempt = attempts.findLast(({ jobStatus }) => !jobHasEnded(jobStatus))
  if (hasEnded(run.status) || !attempt || attempt.jobStatus === 'RUNNING') return undefined
  const place = placeOf(run, attempt)
  if (!place) return undefined
  const { jobQueueArn, ...waitsFor } = place
  const [jobs, position] = await Promise.all([
    known(describeJobs([attempt.jobId])),
    jobQueueArn && known(positionIn(jobQueueArn, attempt.jobId)),
  ])
  const isLate = now.getTime() - Date.parse(attempt.createdAt) > PATIENCE_MILLISECONDS
  const quotaVcpus = isLate ? await known(quotaVcpusOf(place)) : undefined
  const statusReason = jobs?.[0]?.statusReason ?? attempt.statusReason
  return explainWaiting({
    region: variable('AWS_REGION'),
    jobStatus: attempt.jobStatus,
    since: attempt.createdAt,
    ...waitsFor,
    ...(statusReason && { statusReason }),
    ...(position && { position }),
    ...(quotaVcpus !== undefined && { quotaVcpus }),
  })
}

type Place = Pick<WaitingJob, 'instanceType' | 'purchase' | 'nodes' | 'waitMinutes' | 'nextOption'> & {
  /** Missing where the team has taken the option out of its file. */
  readonly jobQueueArn?: string
}

/** Where a job waits, and where it goes from there. */
function placeOf(run: Run, { step, option: index }: Attempt): Place | undefined {
  const { cpuJobQueueArn, capacity } = deployment()
  // Of the sizes in Prepare's queue, Batch takes one that fits.
  if (step === 'prepare') {
    return { jobQueueArn: cpuJobQueueArn, instanceType: 'm7i', purchase: 'on-demand', nodes: 1 }
  }
  const option = run.options?.[index]
  if (!option) return undefined
  const deployed = capacity.find((other) => optionName(other) === optionName(option))
  const nextOption = run.options?.[index + 1]
  return {
    instanceType: option.instanceType,
    purchase: option.purchase,
    nodes: step === 'train' ? nodesOf(run.recipe) : 1,
    waitMinutes: deployed?.waitMinutes ?? 0,
    ...(deployed && { jobQueueArn: deployed.jobQueueArn }),
    ...(nextOption && { nextOption: optionName(nextOption) }),
  }
}

async function positionIn(jobQueue: string, jobId: string): Promise<number | undefined> {
  const { frontOfQueue } = await batch.send(new GetJobQueueSnapshotCommand({ jobQueue }))
  const index = frontOfQueue?.jobs?.findIndex(({ jobArn }) => jobArn?.endsWith(`/${jobId}`)) ?? -1
  return index < 0 ? undefined : index + 1
}

async function quotaVcpusOf({ instanceType, purchase }: Place): Promise<number | undefined> {
  const quota = quotaOf(instanceType, purchase)
  if (!quota) return undefined
  const { Quota } = await serviceQuotas.send(
    new GetServiceQuotaCommand({ ServiceCode: 'ec2', QuotaCode: quota.code }),
  )
  return Quota?.Value
}

/** Undefined where a service does not say: the sentence does without, and the run is shown all the same. */
async function known<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    logger.warn('not known why a run waits', error as Error)
    return undefined
  }
}
