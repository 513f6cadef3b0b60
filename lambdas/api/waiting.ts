import { GetJobQueueSnapshotCommand } from '@aws-sdk/client-batch'
import { GetServiceQuotaCommand, ServiceQuotasClient } from '@aws-sdk/client-service-quotas'
import { quotaOf } from '../../core/quotas.ts'
import { jobHasEnded } from '../../core/run.ts'
import type { Attempt, Run } from '../../core/store/run-store.ts'
import type { RunCapacity } from '../../core/store/table.ts'
import { explainWaiting, type WaitingReason } from '../../core/waiting.ts'
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
  if (run.status !== 'waiting' && run.status !== 'evaluating') return undefined
  const attempt = attempts.findLast(({ jobStatus }) => !jobHasEnded(jobStatus))
  const option = attempt && run.options?.[attempt.option]
  if (!attempt || !option || attempt.jobStatus === 'RUNNING') return undefined
  const { capacity } = deployment()
  const deployed = capacity.find((other) => isSame(other, option))
  const nextOption = run.options?.[attempt.option + 1]
  const [jobs, position] = await Promise.all([
    known(describeJobs([attempt.jobId])),
    deployed && known(positionIn(deployed.jobQueueArn, attempt.jobId)),
  ])
  const isLate = now.getTime() - Date.parse(attempt.createdAt) > PATIENCE_MILLISECONDS
  const quotaVcpus = isLate ? await known(quotaVcpusOf(option)) : undefined
  const statusReason = jobs?.[0]?.statusReason ?? attempt.statusReason
  return explainWaiting({
    region: variable('AWS_REGION'),
    jobStatus: attempt.jobStatus,
    instanceType: option.instanceType,
    purchase: option.purchase,
    since: attempt.createdAt,
    waitMinutes: deployed?.waitMinutes ?? 60,
    ...(statusReason && { statusReason }),
    ...(position !== undefined && { position }),
    ...(quotaVcpus !== undefined && { quotaVcpus }),
    ...(nextOption && { nextOption: `${nextOption.instanceType} ${nextOption.purchase}` }),
  })
}

function isSame(a: Omit<RunCapacity, 'priceUsdPerHour'>, b: RunCapacity): boolean {
  return a.instanceType === b.instanceType && a.purchase === b.purchase
}

async function positionIn(jobQueue: string, jobId: string): Promise<number | undefined> {
  const { frontOfQueue } = await batch.send(new GetJobQueueSnapshotCommand({ jobQueue }))
  const index = frontOfQueue?.jobs?.findIndex(({ jobArn }) => jobArn?.endsWith(`/${jobId}`)) ?? -1
  return index < 0 ? undefined : index + 1
}

async function quotaVcpusOf({ instanceType, purchase }: RunCapacity): Promise<number | undefined> {
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
