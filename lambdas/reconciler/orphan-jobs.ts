import { paginateListJobs } from '@aws-sdk/client-batch'
import { hasEnded, JOB_STATUSES, jobHasEnded } from '../../core/run.ts'
import { runs } from '../clients.ts'
import { deployment } from '../environment.ts'
import { batch, describeJobs, terminateJob } from '../jobs.ts'
import { logger } from '../logger.ts'
import { isNodeJob } from '../node-jobs.ts'
import { jobDetailSchema } from '../record-job.ts'

/** The flow stores a job's attempt by its first event: a job younger than this may only be unknown yet. */
const GRACE_MILLISECONDS = 2 * 60_000

/** Ends the jobs in the team's queues that no live run owns: each costs what its machine costs. */
export async function terminateOrphanJobs(now: Date): Promise<void> {
  const jobIds = await liveJobs(now)
  for (const described of await describeJobs(jobIds)) {
    const job = jobDetailSchema.safeParse(described)
    // Somebody else's job in the queue is not ours to end.
    if (!job.success) continue
    const { runId, execution } = job.data.parameters
    const run = (await runs.get(runId))?.run
    if (run && !hasEnded(run.status) && run.execution === execution) continue
    logger.warn('repairing', { runId, repair: { do: 'terminate-orphan', jobId: job.data.jobId } })
    await terminateJob(job.data.jobId, 'No live run owns the job.')
  }
}

async function liveJobs(now: Date): Promise<string[]> {
  const { cpuJobQueueArn, capacity } = deployment()
  const queues = [cpuJobQueueArn, ...capacity.map(({ jobQueueArn }) => jobQueueArn)]
  const found: string[] = []
  for (const jobQueue of queues) {
    for (const jobStatus of JOB_STATUSES.filter((status) => !jobHasEnded(status))) {
      for await (const { jobSummaryList = [] } of paginateListJobs(
        { client: batch },
        { jobQueue, jobStatus },
      )) {
        for (const { jobId, createdAt = 0 } of jobSummaryList) {
          // A node ends with its job.
          if (jobId && !isNodeJob(jobId) && now.getTime() - createdAt > GRACE_MILLISECONDS) found.push(jobId)
        }
      }
    }
  }
  return found
}
