import { instanceType, isInstanceType } from './instance-types.ts'
import { type Quota, quotaOf, quotaUrl } from './quotas.ts'
import type { JobStatus } from './run.ts'

/** What is known of a job that has no machine yet. */
export interface WaitingJob {
  readonly region: string
  readonly jobStatus: JobStatus
  readonly instanceType: string
  readonly purchase: string
  /** Instances that it waits for; all come at once, or none. */
  readonly nodes: number
  /** When it was submitted. */
  readonly since: string
  /** How long it may wait for this capacity option; missing for Prepare, which has no other queue to go to. */
  readonly waitMinutes?: number
  readonly statusReason?: string
  /** 1 for the next one; missing beyond the first hundred, or where the queue did not say. */
  readonly position?: number
  /** vCPUs that the account may have of this kind. */
  readonly quotaVcpus?: number
  /** What the run goes on with; missing where this is its last option. */
  readonly nextOption?: string
}

/** Why a run waits, and what comes next, in sentences. */
export interface WaitingReason {
  readonly because: string
  readonly next: string
  /** Null where it waits as long as it takes. */
  readonly nextAt: string | null
}

export function explainWaiting(job: WaitingJob): WaitingReason {
  if (job.waitMinutes === undefined) {
    const next = 'It waits until one comes, unless Batch finds that none can; `roslin runs cancel` ends it.'
    return { because: because(job), next, nextAt: null }
  }
  const nextAt = new Date(Date.parse(job.since) + job.waitMinutes * 60_000).toISOString()
  const at = `${nextAt.slice(0, 16).replace('T', ' ')} UTC`
  return {
    because: because(job),
    next: job.nextOption
      ? `If none has come by ${at}, it goes on with ${job.nextOption}.`
      : `If none has come by ${at}, the run fails: this is its last capacity option.`,
    nextAt,
  }
}

function because(job: WaitingJob): string {
  const { statusReason = '', position } = job
  const machine = `${job.nodes > 1 ? `${job.nodes} × ` : ''}${job.instanceType} ${job.purchase}`
  if (job.jobStatus === 'STARTING') {
    return `Its ${machine} ${job.nodes > 1 ? 'are there, and fetch' : 'is there, and fetches'} the image.`
  }
  const quota = quotaReached(job)
  if (quota) return quota
  if (/INSUFFICIENT_INSTANCE_CAPACITY/.test(statusReason)) return `AWS has no ${machine} free right now.`
  if (/COMPUTE_ENVIRONMENT_MAX_RESOURCE/.test(statusReason)) {
    return `The job needs more than its compute environment may have: raise maxVcpus in the team file to at least ${vcpus(job)}, and deploy.`
  }
  if (/JOB_RESOURCE_REQUIREMENT/.test(statusReason)) {
    return `The job asks for more than one ${job.instanceType} has: ask for less in the recipe's resources, or list a larger one in the team file.`
  }
  if (statusReason.startsWith('MISCONFIGURATION:')) {
    return `The compute environment of ${machine} cannot start machines: ${statusReason}`
  }
  if (statusReason) return `Batch says: ${statusReason}`
  if (position === undefined) return `Its job waits in the queue of ${machine}.`
  if (position > 1) return `It is number ${position} in the queue of ${machine}.`
  return `It is the next in the queue of ${machine}; a machine takes some minutes to come.`
}

/** Told by EC2's words where they have reached Batch, or seen from the quota itself. */
function quotaReached(job: WaitingJob): string | undefined {
  const quota = quotaOf(job.instanceType, job.purchase)
  if (!quota) return undefined
  const said = /vcpu ?limit|VcpuLimitExceeded|MaxSpotInstanceCountExceeded/i.test(job.statusReason ?? '')
  const tooSmall = job.quotaVcpus !== undefined && job.quotaVcpus < vcpus(job)
  return said || tooSmall ? quotaSentence(quota, job) : undefined
}

function quotaSentence(quota: Quota, job: WaitingJob): string {
  const { quotaVcpus, region } = job
  const now = quotaVcpus === undefined ? '' : `, now ${quotaVcpus}`
  return `The account's quota of vCPUs is reached: ${job.nodes > 1 ? `${job.nodes} × ${job.instanceType} need` : `one ${job.instanceType} needs`} ${vcpus(job)} of "${quota.name}" (${quota.code}${now}) in ${region}. Ask for more: ${quotaUrl(quota, region)}`
}

function vcpus({ instanceType: name, nodes }: WaitingJob): number {
  return isInstanceType(name) ? instanceType(name).vcpus * nodes : 0
}
