import { z } from 'zod'
import { describeJobs } from './jobs.ts'

const NODE_MARK = '#'

/** Batch names each node of a job as a job of its own: the job's id, and the node's index after it. */
export function nodeJobId(jobId: string, node: number): string {
  return `${jobId}${NODE_MARK}${node}`
}

/** The job that a node belongs to; a job itself is its own. */
export function ownerJobId(jobId: string): string {
  return jobId.split(NODE_MARK)[0] ?? jobId
}

export function isNodeJob(jobId: string): boolean {
  return jobId.includes(NODE_MARK)
}

/** Both a job of several nodes and each of its nodes say how many there are. */
export const nodeCountSchema = z.object({ numNodes: z.int() }).transform(({ numNodes }) => numNodes)

export interface DescribedNode {
  readonly node: number
  /** As Batch describes it; undefined where Batch does not know it. */
  readonly described: unknown
}

/** The nodes of a job in order, the main one first. */
export async function describeNodes(jobId: string, count: number): Promise<DescribedNode[]> {
  const ids = Array.from({ length: count }, (_, node) => nodeJobId(jobId, node))
  const found = new Map((await describeJobs(ids)).map((job) => [job.jobId, job]))
  return ids.map((id, node) => ({ node, described: found.get(id) }))
}
