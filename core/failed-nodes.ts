import { EXIT_CODES } from './exit-codes.ts'

/** Why a job, or one of its nodes, ended badly, as far as Batch knows. */
export interface FailedJob {
  readonly exitCode?: number | undefined
  readonly statusReason?: string | undefined
  readonly containerReason?: string | undefined
}

/** How one node of a job of several ended. */
export interface EndedNode extends FailedJob {
  readonly node: number
  readonly hasFailed: boolean
  /** Epoch milliseconds. */
  readonly stoppedAt?: number | undefined
}

/** What a container ends with that has lost others: the cause is theirs. */
const SYMPTOMS: readonly number[] = [EXIT_CODES.unexpected, EXIT_CODES.hung, EXIT_CODES.communicationFailed]

/**
 * Batch tells of a job what became of its main node. Where that has only lost another, the one that failed first tells why: it ended
 * before the main node did, which ends all others.
 */
export function rootCause(job: FailedJob, nodes: readonly EndedNode[]): FailedJob {
  const main = nodes.find(({ node }) => node === 0)
  // Batch may leave the exit code to the node.
  const told = { ...job, exitCode: job.exitCode ?? main?.exitCode }
  // What Batch itself ended (a timeout, a lost host) is no symptom, whatever the container said last.
  const endedByItself = !told.statusReason || told.statusReason.startsWith('Essential container')
  if (!endedByItself || told.exitCode === undefined || !SYMPTOMS.includes(told.exitCode)) return told
  const mainStoppedAt = main?.stoppedAt ?? Number.POSITIVE_INFINITY
  const [first] = nodes
    .filter(({ node, hasFailed, exitCode, stoppedAt }) => {
      const isSymptom = exitCode !== undefined && SYMPTOMS.includes(exitCode)
      return node > 0 && hasFailed && !isSymptom && stoppedAt !== undefined && stoppedAt < mainStoppedAt
    })
    .sort((one, other) => (one.stoppedAt ?? 0) - (other.stoppedAt ?? 0))
  return first ?? told
}
