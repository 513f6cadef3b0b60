import { RAISE_LIMITS } from './budget.ts'
import { ERROR_STATUS, RoslinError } from './errors.ts'
import { EXIT_CODES } from './exit-codes.ts'
import { type EndedNode, type FailedJob, rootCause } from './failed-nodes.ts'
import type { RunFailure } from './run.ts'
import type { StepError } from './run-files.ts'

/** What is known of a step that failed. */
export interface FailedStep {
  readonly step: string
  /** Step Functions' error name and cause; the cause of a Batch step is the job as JSON. */
  readonly error: string
  readonly cause: string
  /** `error.json` of this step, when its container could still write one. */
  readonly lastError?: StepError
  /** Of a job of several nodes. */
  readonly nodes?: readonly EndedNode[]
}

/** Why the reconciler ends a job that Batch itself would let wait. */
export const WAITED_TOO_LONG = 'ROSLIN:WAITED_TOO_LONG'

interface FailureClass {
  readonly class: string
  readonly matches: (job: FailedJob) => boolean
  readonly recovery: Recovery
  readonly message: string
  readonly nextStep: string
}

/** What the flow does about a failed job. Training goes on from its newest complete checkpoint each time. */
export type Recovery =
  | { readonly next: 'stop' }
  /** The same capacity option again, at most `tries` times a run for this class. */
  | {
      readonly next: 'same-option'
      readonly tries: number
      readonly orElse: 'next-option' | 'stop'
    }
  | { readonly next: 'next-option' }
  /** The next option with more memory: the same would fail again. */
  | { readonly next: 'larger-option' }

const STOP: Recovery = { next: 'stop' }
const again = (tries: number, orElse: 'next-option' | 'stop'): Recovery => ({
  next: 'same-option',
  tries,
  orElse,
})

const exits = (code: number) => (job: FailedJob) => job.exitCode === code
const says = (pattern: RegExp) => (job: FailedJob) =>
  pattern.test(`${job.statusReason} ${job.containerReason}`)

/** The first row that matches names the failure. What Batch says of the host comes before what the container says of itself. */
const FAILURE_CLASSES: readonly FailureClass[] = [
  {
    class: 'host-lost',
    matches: says(/Host EC2/),
    recovery: again(20, 'next-option'),
    message: 'The machine went away while the job ran.',
    nextStep: 'Start the run again; on Spot, an on-demand option avoids this.',
  },
  {
    class: 'no-capacity',
    matches: says(/JobStateTimeLimit|CAPACITY:INSUFFICIENT|MISCONFIGURATION:|ROSLIN:WAITED_TOO_LONG/),
    recovery: { next: 'next-option' },
    message: 'The job waited for its machine as long as it may, and none came.',
    nextStep:
      "Raise waitMinutes in the team file, add capacity options, or check the region's quota of vCPUs.",
  },
  {
    class: 'timeout',
    matches: says(/duration exceeded timeout/),
    recovery: STOP,
    message: 'The job ran longer than it may.',
    nextStep: 'Raise limits.maxHours in the recipe, or train fewer epochs.',
  },
  {
    class: 'image-unavailable',
    matches: says(/CannotPullContainer/),
    recovery: again(1, 'stop'),
    message: "The trainer's image could not be pulled.",
    nextStep: 'Check trainerImage in the team file, and deploy again.',
  },
  {
    class: 'secret-unavailable',
    matches: says(/unable to (pull|retrieve) secrets?|Fetching secret data/i),
    recovery: again(1, 'stop'),
    message: 'A secret that the container is given could not be read.',
    nextStep:
      'Check that the secret named under secrets in the team file is in Secrets Manager of this region.',
  },
  {
    class: 'user-error',
    matches: exits(EXIT_CODES.userError),
    recovery: STOP,
    message: 'The recipe or its data cannot be used.',
    nextStep: 'Mend what the message names and start a new run.',
  },
  {
    class: 'model-unreadable',
    matches: exits(EXIT_CODES.modelUnreadable),
    recovery: STOP,
    message: 'The base model could not be loaded.',
    nextStep:
      "Check baseModel in the recipe: a causal language model in Hugging Face's layout, or one GGUF file.",
  },
  {
    class: 'out-of-memory',
    matches: exits(EXIT_CODES.outOfMemory),
    recovery: { next: 'larger-option' },
    message: 'The job ran out of memory.',
    nextStep:
      'Lower training.batchSizePerGpu or training.maxTokens, use training.method: lora, or ask for larger GPUs.',
  },
  {
    class: 'out-of-memory',
    matches: says(/OutOfMemory/),
    recovery: { next: 'larger-option' },
    message: 'The container was ended because it used more memory than it was given.',
    nextStep: 'Lower training.batchSizePerGpu, or ask for a larger instance.',
  },
  {
    class: 'hung',
    matches: exits(EXIT_CODES.hung),
    recovery: again(1, 'next-option'),
    message: 'Training made no step for far longer than its steps take.',
    nextStep: "Read the run's log for the stacks of all ranks, then start the run again.",
  },
  {
    class: 'diverged',
    matches: exits(EXIT_CODES.diverged),
    recovery: STOP,
    message: 'The loss is no number any more.',
    nextStep:
      'Lower training.learningRate or add training.warmupSteps; with fp16, prefer GPUs that have bf16.',
  },
  {
    class: 'budget',
    matches: exits(EXIT_CODES.budgetStopped),
    recovery: STOP,
    message: 'The run reached its cost limit.',
    nextStep: RAISE_LIMITS,
  },
  {
    class: 'driver-mismatch',
    matches: exits(EXIT_CODES.driverMismatch),
    recovery: { next: 'next-option' },
    message: "The machine's GPU driver does not fit the image's PyTorch.",
    nextStep:
      "Use the machine image or the trainer image of the other driver branch in the team file's capacity.",
  },
  {
    class: 'resources-missing',
    matches: exits(EXIT_CODES.resourcesMissing),
    recovery: { next: 'next-option' },
    message: 'The machine has less scratch disk or shared memory than the plan needs.',
    nextStep: "Read the run's log for what was missing; choose another capacity option.",
  },
  {
    class: 'gpu-unsupported',
    matches: exits(EXIT_CODES.gpuUnsupported),
    recovery: { next: 'next-option' },
    message: "The image's PyTorch has no kernels for the machine's GPUs.",
    nextStep: "Choose another capacity option, or a trainer image built for these GPUs in the team's file.",
  },
  {
    class: 'gpus-missing',
    matches: exits(EXIT_CODES.gpusMissing),
    recovery: { next: 'next-option' },
    message: 'The machine has fewer GPUs than the plan asks for.',
    nextStep: 'Check the machine image and its driver, or lower resources.gpus.',
  },
  {
    class: 'gpu-memory-too-small',
    matches: exits(EXIT_CODES.gpuMemoryTooSmall),
    recovery: { next: 'larger-option' },
    message: "The machine's GPUs have less memory than training needs.",
    nextStep: 'Choose a capacity option with larger or more GPUs, or use training.method: lora.',
  },
  {
    class: 'precision-unsupported',
    matches: exits(EXIT_CODES.precisionUnsupported),
    recovery: { next: 'next-option' },
    message: 'The machine does not train in the precision that the recipe asks for.',
    nextStep: 'Set training.precision to auto, or choose another capacity option.',
  },
  {
    class: 'storage-denied',
    matches: exits(EXIT_CODES.storageDenied),
    recovery: STOP,
    message: 'The job may not read or write where it must.',
    nextStep: "Check the job role's rights, the bucket's policy and its key, then start the run again.",
  },
  {
    class: 'communication-failed',
    matches: exits(EXIT_CODES.communicationFailed),
    recovery: again(1, 'next-option'),
    message: 'The training processes could not talk to each other.',
    nextStep: "Read the run's log for the ranks that did not answer, then start the run again.",
  },
  {
    class: 'storage',
    matches: exits(EXIT_CODES.storage),
    recovery: again(2, 'stop'),
    message: 'S3 could not be read or written.',
    nextStep: "Start the run again; if it stays, check the job role's rights on the team's bucket.",
  },
  {
    class: 'interrupted',
    matches: exits(EXIT_CODES.interrupted),
    recovery: again(20, 'next-option'),
    message: 'The job was told to stop, and saved a checkpoint.',
    nextStep: 'Start the run again.',
  },
  {
    class: 'killed',
    matches: (job) => job.exitCode === 137 || job.exitCode === 143,
    recovery: again(1, 'stop'),
    message: 'The process was killed from outside; often by the kernel, for want of memory.',
    nextStep: "Read the end of the run's log; lower training.batchSizePerGpu if memory was short.",
  },
]

const UNKNOWN = {
  class: 'unknown',
  // Fails safe: it may have been a passing fault, and it may not.
  recovery: again(1, 'stop'),
  message: 'The step ended in a way Roslin does not know.',
  nextStep: "Read the run's log.",
}

/** What failed, in words for people, and what to do about it. */
export function classify(failed: FailedStep): { readonly failure: RunFailure; readonly recovery: Recovery } {
  const { step, lastError } = failed
  if (failed.error === 'States.Timeout') {
    const failure = {
      step,
      class: 'timeout',
      code: 'STEP_TIMEOUT',
      message: `The step ${step} took longer than it may.`,
      nextStep: 'Raise limits.maxHours in the recipe if it was training; else read the log of the step.',
    }
    return { failure, recovery: STOP }
  }
  const told = failedJob(failed.cause)
  if (!told) return { failure: failureOfLambda(failed), recovery: STOP }
  const job = rootCause(told, failed.nodes ?? [])
  const row = FAILURE_CLASSES.find(({ matches }) => matches(job)) ?? UNKNOWN
  const own = lastError && lastError.exitCode === job.exitCode ? lastError : undefined
  const reason = [job.containerReason, job.statusReason].filter(Boolean).join('; ')
  const failure = {
    step,
    class: row.class,
    code: own?.code ?? row.class.toUpperCase().replaceAll('-', '_'),
    message:
      own?.message ?? `${row.message} (exit code ${job.exitCode ?? 'none'}; ${reason || 'no reason given'})`,
    nextStep: own?.nextStep ?? row.nextStep,
  }
  return { failure, recovery: row.recovery }
}

/** The run has cost what it may: no further job is started, whatever the last one failed of. */
export function budgetFailure(step: string, spentUsd: number, reservedUsd: number): RunFailure {
  return {
    step,
    class: 'budget',
    code: 'COST_LIMIT_REACHED',
    message: `The run has cost $${spentUsd.toFixed(2)} of the $${reservedUsd.toFixed(2)} it may cost.`,
    nextStep: RAISE_LIMITS,
  }
}

/** The job of several nodes that a failed Batch task tells of; undefined for one of a single machine, and where it tells of none. */
export function multiNodeJob(cause: string): { readonly jobId: string; readonly nodes: number } | undefined {
  const { JobId: jobId, NodeProperties: properties } = parse(cause) ?? {}
  if (typeof jobId !== 'string' || !properties?.NumNodes) return undefined
  return { jobId, nodes: properties.NumNodes }
}

/** How the run's execution ended, where none of its steps has said so. */
export function executionFailure(
  status: string | undefined,
  told?: { readonly error?: string | null | undefined; readonly cause?: string | null | undefined },
): RunFailure {
  const because = told?.cause || told?.error
  return {
    class: status === 'ABORTED' ? 'aborted' : 'internal',
    code: `EXECUTION_${status ?? 'GONE'}`,
    step: 'flow',
    message: `The run's execution ${ENDED_EXECUTION[status ?? ''] ?? 'is gone'}${because ? `: ${because}` : ''}.`,
    nextStep: 'Resume the run: it goes on from its newest checkpoint.',
  }
}

const ENDED_EXECUTION: Readonly<Record<string, string>> = {
  FAILED: 'ended with an error that no step recorded',
  TIMED_OUT: 'ran longer than a flow may',
  ABORTED: 'was stopped from outside',
}

/** The cause of a failed Batch task: the job, in Batch's words with capitals first. */
function failedJob(cause: string): FailedJob | undefined {
  const job = parse(cause)
  if (!job || typeof job.JobId !== 'string') return undefined
  const container = job.Container ?? job.Attempts?.at(-1)?.Container
  return {
    exitCode: container?.ExitCode,
    statusReason: job.StatusReason,
    containerReason: container?.Reason,
  }
}

interface JobCause {
  readonly JobId?: unknown
  readonly StatusReason?: string
  readonly Container?: { readonly ExitCode?: number; readonly Reason?: string }
  /** Of a job of several nodes, which has no container of its own: what its main node's was. */
  readonly Attempts?: readonly {
    readonly Container?: { readonly ExitCode?: number; readonly Reason?: string }
  }[]
  readonly NodeProperties?: { readonly NumNodes?: number }
  readonly errorMessage?: string
}

function parse(text: string): JobCause | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A Lambda step throws our own errors with their code as the name, so that the machine can tell them apart. */
function failureOfLambda({ step, error, cause }: FailedStep): RunFailure {
  const message = parse(cause)?.errorMessage ?? cause
  const own = RoslinError.parse(message)
  return {
    step,
    // A status from 500 on is nobody's fault who wrote the recipe.
    class: own && ERROR_STATUS[own.code] < 500 ? 'user-error' : 'internal',
    code: own?.code ?? (error || 'UNKNOWN'),
    message: own?.message ?? `The step ${step} failed: ${message || error}`,
    nextStep: own?.nextStep ?? "Read the step's log; this is not the recipe's fault.",
  }
}
