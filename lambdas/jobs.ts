import { BatchClient, DescribeJobsCommand, type JobDetail, TerminateJobCommand } from '@aws-sdk/client-batch'

export const batch = new BatchClient({})

/** A job that has ended already, or that Batch has forgotten, is left alone. */
export async function terminateJob(jobId: string, reason: string): Promise<void> {
  await batch.send(new TerminateJobCommand({ jobId, reason }))
}

const DESCRIBED_AT_ONCE = 100

/** Those that Batch still knows: it forgets a job a week or more after its end. */
export async function describeJobs(jobIds: readonly string[]): Promise<JobDetail[]> {
  const found: JobDetail[] = []
  for (let start = 0; start < jobIds.length; start += DESCRIBED_AT_ONCE) {
    const jobs = jobIds.slice(start, start + DESCRIBED_AT_ONCE)
    found.push(...((await batch.send(new DescribeJobsCommand({ jobs }))).jobs ?? []))
  }
  return found
}
