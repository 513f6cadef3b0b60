import { afterAll, describe, expect, it } from 'vitest'
import { EXIT_CODES } from '../../core/exit-codes.ts'
import { endChaos } from '../../local/chaos.ts'
import { Deployment } from '../support/deployment.ts'
import { nodeCodes, twoNodes } from '../support/nodes.ts'
import { priceOf, Scenarios } from '../support/scenarios.ts'

const deployment = await Deployment.open()
const scenarios = new Scenarios(deployment)
afterAll(async () => {
  await endChaos(deployment.port)
  await scenarios.booksBalance()
})

describe.concurrent('a run on two nodes', () => {
  it('trains on both, evaluates on one, and pays for each as long as it ran', async () => {
    const runId = await scenarios.startIn([], 'train:sleep=1', twoNodes)
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(nodeCodes(run)).toEqual([
      [
        [0, 0],
        [1, expect.any(Number)],
      ],
    ])
    const train = run.attempts.find(({ step }) => step === 'train')
    const evaluate = run.attempts.find(({ step }) => step === 'evaluate')
    expect(evaluate?.executions.map(({ node }) => node)).toEqual([undefined])
    const job = await deployment.job(train?.jobId ?? '')
    expect(job?.nodeProperties?.numNodes).toBe(2)
    const [main, other] = (train?.executions ?? []).map((execution) =>
      priceOf({ ...run, attempts: train ? [{ ...train, executions: [execution] }] : [] }),
    )
    expect(other).toBeGreaterThan((main ?? 0) / 2)
    expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
    expect(run.costUsd).toBeGreaterThan((main ?? 0) + (other ?? 0))
    const { lines } = await deployment.client.getLogs(runId, undefined)
    const said = lines.filter(({ message }) => message.startsWith('process'))
    expect(said.map(({ step, node }) => [step, node]).sort()).toEqual([
      ['evaluate', undefined],
      ['prepare', undefined],
      ['train', 0],
      ['train', 1],
    ])
  })

  it('that loses a node is tried again, for what that node died of', async () => {
    const rule = { kind: 'kill-job', step: 'train', node: 1, afterSeconds: 0.1, times: 1 }
    // As the main one ends that misses the other.
    const told = `train:sleep=1@1 train:exit=${EXIT_CODES.communicationFailed}@1`
    const runId = await scenarios.startIn([rule], told, twoNodes)
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('succeeded')
    expect(nodeCodes(run)[0]).toEqual([
      [0, EXIT_CODES.communicationFailed],
      [1, 137],
    ])
    expect(nodeCodes(run)).toHaveLength(2)
    expect(run.timeline.some(({ note }) => note?.startsWith('The process was killed from outside'))).toBe(
      true,
    )
  })
})

// One after the other: the reconciler looks at all runs, as if it were later.
describe('a run on two nodes', () => {
  it('is no orphan by its nodes, and ends with all of them when it is cancelled', async () => {
    const runId = await scenarios.startIn([], 'train:sleep=60', twoNodes)
    const trains = await scenarios.until(runId, 'trains on both', ({ attempts }) =>
      attempts.some(({ executions }) => executions.some(({ node }) => node === 1)),
    )
    await scenarios.reconcile()
    expect((await deployment.client.getRun(runId)).status).toBe('training')
    expect(trains.attempts.filter(({ step }) => step === 'train')).toHaveLength(1)
    await deployment.client.cancelRun(runId, false)
    const run = await scenarios.nothingIsLeft(runId)
    expect(run.status).toBe('cancelled')
    const { interrupted } = EXIT_CODES
    expect(nodeCodes(run)).toEqual([
      [
        [0, interrupted],
        [1, interrupted],
      ],
    ])
    expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
  })

  it('whose end nobody heard of is written down by the reconciler, node by node', async () => {
    const lost = { kind: 'disturb-event', action: 'drop', status: 'FAILED' }
    const { outOfMemory } = EXIT_CODES
    const runId = await scenarios.startIn([lost], `train:sleep=1 train:exit=${outOfMemory}`, twoNodes)
    const unheard = await scenarios.until(runId, 'fails', ({ status }) => status === 'failed')
    expect(unheard.failure).toMatchObject({ class: 'out-of-memory' })
    expect(unheard.attempts.at(-1)?.jobStatus).toBe('RUNNING')
    const run = await scenarios.nothingIsLeft(runId, () => scenarios.reconcile())
    expect(nodeCodes(run)).toEqual([
      [
        [0, outOfMemory],
        [1, expect.any(Number)],
      ],
    ])
    expect(run.costUsd).toBeCloseTo(priceOf(run), 10)
  })
})
