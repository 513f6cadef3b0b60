import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { RoslinError } from '../../core/errors.ts'
import { EXIT_CODES } from '../../core/exit-codes.ts'
import type { EndedNode } from '../../core/failed-nodes.ts'
import {
  classify as classifyStep,
  executionFailure,
  type FailedStep,
  multiNodeJob,
} from '../../core/failure.ts'
import type { StepError } from '../../core/run-files.ts'

const failureOf = (failed: FailedStep) => classifyStep(failed).failure

/** A failed Batch task's cause, as Step Functions gives it: the job, with capitals first. */
const job = (exitCode?: number, statusReason = 'Essential container in task exited', reason?: string) =>
  JSON.stringify({
    JobId: 'a-job',
    JobName: 'roslin-train-x',
    Status: 'FAILED',
    StatusReason: statusReason,
    Container: { ...(exitCode !== undefined && { ExitCode: exitCode }), ...(reason && { Reason: reason }) },
  })

const classify = (cause: string, lastError?: StepError) =>
  failureOf({ step: 'train', error: 'States.TaskFailed', cause, ...(lastError && { lastError }) })

const stepError = (exitCode: number): StepError => ({
  step: 'train',
  exitCode,
  code: 'ROW_TOO_LONG',
  message: 'Row 7 has 9,000 tokens.',
  nextStep: 'Shorten it.',
})

const examples: readonly [string, string][] = [
  ['host-lost', job(undefined, 'Host EC2 (instance i-0abc) terminated.')],
  ['no-capacity', job(undefined, 'CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - no p4d')],
  ['no-capacity', job(undefined, 'MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - no such machine')],
  ['timeout', job(137, 'Job attempt duration exceeded timeout')],
  ['image-unavailable', job(undefined, 'Task failed to start', 'CannotPullContainerError: not found')],
  [
    'secret-unavailable',
    job(
      undefined,
      'Task failed to start',
      'ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret from asm',
    ),
  ],
  ['user-error', job(EXIT_CODES.userError)],
  ['model-unreadable', job(EXIT_CODES.modelUnreadable)],
  ['out-of-memory', job(EXIT_CODES.outOfMemory)],
  ['out-of-memory', job(137, 'Essential container in task exited', 'OutOfMemoryError: Container killed')],
  ['hung', job(EXIT_CODES.hung)],
  ['diverged', job(EXIT_CODES.diverged)],
  ['budget', job(EXIT_CODES.budgetStopped)],
  ['driver-mismatch', job(EXIT_CODES.driverMismatch)],
  ['resources-missing', job(EXIT_CODES.resourcesMissing)],
  ['gpu-unsupported', job(EXIT_CODES.gpuUnsupported)],
  ['gpus-missing', job(EXIT_CODES.gpusMissing)],
  ['gpu-memory-too-small', job(EXIT_CODES.gpuMemoryTooSmall)],
  ['precision-unsupported', job(EXIT_CODES.precisionUnsupported)],
  ['storage-denied', job(EXIT_CODES.storageDenied)],
  ['communication-failed', job(EXIT_CODES.communicationFailed)],
  ['storage', job(EXIT_CODES.storage)],
  ['interrupted', job(EXIT_CODES.interrupted)],
  ['killed', job(137)],
  ['killed', job(143)],
  ['unknown', job(EXIT_CODES.unexpected)],
  ['unknown', job(99)],
  ['unknown', job()],
]

describe('a failed job', () => {
  it.each(examples)('is of class %s', (name, cause) => {
    const failure = classify(cause)
    expect(failure).toMatchObject({
      class: name,
      code: name.toUpperCase().replaceAll('-', '_'),
      step: 'train',
    })
    expect(failure.nextStep).not.toBe('')
  })

  it('has an example here for every class there is', () => {
    const source = readFileSync(new URL('../../core/failure.ts', import.meta.url), 'utf8')
    const classes = [...source.matchAll(/^ {2,4}class: '([\w-]+)',$/gm)].map(([, name]) => name)
    expect(classes).toContain('host-lost')
    expect([...new Set(classes)].sort()).toEqual([...new Set(examples.map(([name]) => name))].sort())
  })

  it('is of its own class for every exit code of the contract that is a failure', () => {
    const { succeeded, unexpected, ...named } = EXIT_CODES
    const classes = Object.values(named).map((code) => classify(job(code)).class)
    expect(new Set(classes).size).toBe(classes.length)
    expect(classes).not.toContain('unknown')
    expect(succeeded).toBe(0)
    expect(classify(job(unexpected)).class).toBe('unknown')
  })

  it('is named after what Batch says of the host before what the container says of itself', () => {
    expect(classify(job(EXIT_CODES.interrupted, 'Host EC2 (instance i-0abc) terminated.')).class).toBe(
      'host-lost',
    )
    expect(classify(job(EXIT_CODES.userError, 'Job attempt duration exceeded timeout')).class).toBe('timeout')
  })

  it('says its exit code and the reasons it was given', () => {
    expect(classify(job(99, 'Essential container in task exited', 'odd')).message).toBe(
      'The step ended in a way Roslin does not know. (exit code 99; odd; Essential container in task exited)',
    )
    expect(classify(JSON.stringify({ JobId: 'a-job' })).message).toContain(
      '(exit code none; no reason given)',
    )
  })

  it("is told in its container's own words when error.json is of this exit code", () => {
    expect(classify(job(EXIT_CODES.userError), stepError(EXIT_CODES.userError))).toEqual({
      step: 'train',
      class: 'user-error',
      code: 'ROW_TOO_LONG',
      message: 'Row 7 has 9,000 tokens.',
      nextStep: 'Shorten it.',
    })
  })

  it("is not told in an earlier attempt's words", () => {
    expect(classify(job(137), stepError(EXIT_CODES.interrupted))).toMatchObject({
      class: 'killed',
      code: 'KILLED',
    })
    expect(classify(job(), stepError(EXIT_CODES.userError)).code).toBe('UNKNOWN')
  })
})

describe('a failed job of several nodes', () => {
  /** It has no container of its own: Batch fills in what its main node ended with. */
  const onNodes = (exitCode?: number, statusReason = 'Essential container in task exited') =>
    JSON.stringify({
      JobId: 'a-job',
      StatusReason: statusReason,
      NodeProperties: { NumNodes: 3, MainNode: 0 },
      Attempts: [{ Container: { ...(exitCode !== undefined && { ExitCode: exitCode }) } }],
    })
  const ended = (node: number, stoppedAt: number, told: Partial<EndedNode>): EndedNode => ({
    node,
    stoppedAt,
    hasFailed: true,
    statusReason: 'Essential container in task exited',
    ...told,
  })
  const classOf = (cause: string, ...nodes: EndedNode[]) =>
    failureOf({ step: 'train', error: 'States.TaskFailed', cause, nodes }).class
  const lost = onNodes(EXIT_CODES.communicationFailed)
  const main = ended(0, 100, { exitCode: EXIT_CODES.communicationFailed })

  it('says how many nodes it had', () => {
    expect(multiNodeJob(lost)).toEqual({ jobId: 'a-job', nodes: 3 })
    expect(multiNodeJob(job(1))).toBeUndefined()
    expect(multiNodeJob('no job')).toBeUndefined()
  })

  it('is of the class of its main node', () => {
    expect(classOf(onNodes(EXIT_CODES.outOfMemory))).toBe('out-of-memory')
    expect(classOf(onNodes(), ended(0, 100, { exitCode: EXIT_CODES.outOfMemory }))).toBe('out-of-memory')
    expect(classOf(onNodes(undefined, 'Host EC2 (instance i-0abc) terminated.'))).toBe('host-lost')
  })

  it('that lost a node is of the class of the one that failed first', () => {
    const killed = ended(1, 50, { exitCode: 137 })
    expect(classOf(lost, main, killed)).toBe('killed')
    const gone = ended(2, 40, { statusReason: 'Host EC2 (instance i-0abc) terminated.' })
    expect(classOf(lost, main, killed, gone)).toBe('host-lost')
  })

  it('is not of the class of what its own end did to the other nodes', () => {
    const stopped = ended(1, 120, { exitCode: EXIT_CODES.interrupted })
    expect(classOf(lost, main, stopped)).toBe('communication-failed')
    const alsoLost = ended(1, 90, { exitCode: EXIT_CODES.communicationFailed })
    expect(classOf(lost, main, alsoLost)).toBe('communication-failed')
    const done = ended(1, 90, { hasFailed: false, exitCode: 0 })
    expect(classOf(lost, main, done)).toBe('communication-failed')
  })

  it('that ran too long has, whatever its nodes ended with', () => {
    const stopped = ended(1, 50, { exitCode: EXIT_CODES.interrupted })
    const late = onNodes(EXIT_CODES.unexpected, 'Job attempt duration exceeded timeout')
    expect(classOf(late, main, stopped)).toBe('timeout')
  })
})

describe('an execution that ended and no step said so', () => {
  it.each([
    ['FAILED', 'internal', 'ended with an error that no step recorded: it broke.'],
    ['TIMED_OUT', 'internal', 'ran longer than a flow may: it broke.'],
    ['ABORTED', 'aborted', 'was stopped from outside: it broke.'],
  ])('as %s is of class %s', (status, name, words) => {
    expect(executionFailure(status, { error: 'X', cause: 'it broke' })).toMatchObject({
      class: name,
      code: `EXECUTION_${status}`,
      message: `The run's execution ${words}`,
    })
  })

  it('may be gone, or say nothing of why', () => {
    expect(executionFailure(undefined)).toMatchObject({
      code: 'EXECUTION_GONE',
      message: "The run's execution is gone.",
    })
    expect(executionFailure('FAILED').message).toBe(
      "The run's execution ended with an error that no step recorded.",
    )
  })
})

describe('a failed step', () => {
  it('that took too long says so', () => {
    expect(failureOf({ step: 'prepare', error: 'States.Timeout', cause: '' })).toMatchObject({
      class: 'timeout',
      code: 'STEP_TIMEOUT',
      message: 'The step prepare took longer than it may.',
    })
  })

  it("that is a Lambda function tells its RoslinError's words", () => {
    const error = new RoslinError('DATASET_NOT_FOUND', 'It is gone.', 'Send it up again.')
    const cause = JSON.stringify({ errorType: error.code, errorMessage: JSON.stringify(error.toProblem()) })
    expect(failureOf({ step: 'plan', error: error.code, cause })).toEqual({
      step: 'plan',
      class: 'user-error',
      code: 'DATASET_NOT_FOUND',
      message: 'It is gone.',
      nextStep: 'Send it up again.',
    })
  })

  it("that is a Lambda function is not the recipe's fault where its RoslinError is not", () => {
    const error = new RoslinError('HUB_UNREACHABLE', 'It is away.', 'Try again.')
    const cause = JSON.stringify({ errorType: error.code, errorMessage: JSON.stringify(error.toProblem()) })
    expect(failureOf({ step: 'plan', error: error.code, cause })).toMatchObject({
      class: 'internal',
      code: 'HUB_UNREACHABLE',
      message: 'It is away.',
      nextStep: 'Try again.',
    })
  })

  it.each([
    [
      'TypeError',
      JSON.stringify({ errorType: 'TypeError', errorMessage: 'x is undefined' }),
      'x is undefined',
    ],
    ['Lambda.Unknown', 'The function ran out of memory', 'The function ran out of memory'],
    ['States.QueryEvaluationError', '', 'States.QueryEvaluationError'],
    ['Batch.ClientException', '"a JSON text"', '"a JSON text"'],
  ])('is a fault of ours for another error: %s', (error, cause, said) => {
    const failure = failureOf({ step: 'plan', error, cause })
    expect(failure).toMatchObject({ class: 'internal', code: error })
    expect(failure.message).toBe(`The step plan failed: ${said}`)
  })

  it('has a code even where nothing is known', () => {
    expect(failureOf({ step: 'plan', error: '', cause: '' }).code).toBe('UNKNOWN')
    expect(failureOf({ step: 'plan', error: '', cause: 'null' }).code).toBe('UNKNOWN')
  })
})
