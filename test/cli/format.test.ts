import { describe, expect, it } from 'vitest'
import { answersTable, duration, lossLine, runPage, usd } from '../../cli/format.ts'
import { progressLine } from '../../cli/watch.ts'
import type { Evaluation, Metrics } from '../../core/run-files.ts'
import type { RunDetail } from '../../core/run-view.ts'
import { recipe } from '../support/recipes.ts'

const metrics: Metrics = {
  updatedAt: '2026-11-24T10:00:00.000Z',
  device: 'cpu',
  worldSize: 1,
  epoch: 1.25,
  epochs: 3,
  step: 36,
  totalSteps: 87,
  tokensPerSecond: 811.6,
  etaSeconds: 72,
  lossFirst: 3.21,
  lossLast: 1.234,
  heldOutLoss: [
    { epoch: 0, loss: 3 },
    { epoch: 1, loss: 2 },
  ],
  series: { step: [36], loss: [1.2344], learningRate: [1e-5], gradientNorm: [1], tokensPerSecond: [800] },
}

const run: RunDetail = {
  runId: '01JD0000000000000000000000',
  team: 'example',
  recipeName: 'parrot',
  recipe: recipe(),
  status: 'training',
  execution: 0,
  from: 'prepare',
  createdAt: '2026-11-24T10:00:00.000Z',
  timeline: [],
  attempts: [],
  costUsd: 0.00123,
  elapsedSeconds: 61,
  capacity: { instanceType: 'm7i.large', purchase: 'on-demand', priceUsdPerHour: 0.1 },
}

describe('what the command line shows', () => {
  it.each([
    [0.4, '0 s'],
    [59.4, '59 s'],
    [59.6, '1 min 0 s'],
    [3599, '59 min 59 s'],
    [11_700, '3 h 15 min'],
  ])('%d seconds as %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text)
  })

  it.each([
    [0, '$0.0000'],
    [0.00123, '$0.0012'],
    [101.439, '$101.44'],
  ])('%d dollars as %s', (amount, text) => {
    expect(usd(amount)).toBe(text)
  })

  it('of a run that trains: state, step, loss, tokens a second, time left and cost so far', () => {
    expect(progressLine(run, metrics)).toBe(
      'training  1 min 1 s  step 36/87  epoch 1.25/3  loss 1.234  812 tokens/s  1 min 12 s left  $0.0012 so far',
    )
  })

  it('of a run that has nothing to measure yet: what there is', () => {
    const { capacity: _, ...waiting } = run
    expect(progressLine({ ...waiting, status: 'queued' }, undefined)).toBe('queued  1 min 1 s')
    const unknown = {
      ...metrics,
      tokensPerSecond: null,
      etaSeconds: null,
      series: { ...metrics.series, loss: [] },
    }
    expect(progressLine(waiting, unknown)).toBe('training  1 min 1 s  step 36/87  epoch 1.25/3')
  })

  it('of a run on several nodes: what all of them cost, and how each ended', () => {
    const at = { startedAt: run.createdAt, stoppedAt: run.createdAt }
    const page = runPage({
      ...run,
      recipe: recipe({ resources: { nodes: 2 } }),
      attempts: [
        {
          runId: run.runId,
          jobId: 'a-job',
          step: 'train',
          execution: 0,
          attempt: 0,
          option: 0,
          jobStatus: 'FAILED',
          createdAt: run.createdAt,
          executions: [
            { node: 0, ...at, exitCode: 37 },
            { node: 1, ...at },
          ],
        },
      ],
    })
    expect(page).toContain('(2 × m7i.large on-demand at $0.1000 an hour each, list price)')
    expect(page).toContain('job train: FAILED, exit code 37 on node 0, … on node 1')
    expect(runPage(run)).toContain('(m7i.large on-demand at $0.1000 an hour, list price)')
  })

  it('of the losses: first and last, and a dash for what was not measured', () => {
    expect(lossLine(metrics)).toBe('training loss 3.210 → 1.234; on rows never trained on 3.000 → 2.000')
    expect(lossLine({ ...metrics, lossFirst: null, lossLast: null, heldOutLoss: [] })).toBe(
      'training loss – → –; on rows never trained on – → –',
    )
  })
})

describe('the table of answers', () => {
  const evaluation: Evaluation = {
    models: [
      { name: 'base', epoch: 0, heldOutLoss: 3.5 },
      { name: 'epoch 1', epoch: 1, heldOutLoss: null },
    ],
    prompts: [
      {
        instruction: 'What is the capital of Italy?',
        input: null,
        expect: 'Rome',
        answers: [
          { text: 'It is Rome.', right: true },
          { text: 'Baa.', right: false },
        ],
      },
      {
        instruction: 'Say it.',
        input: 'Now.',
        expect: null,
        answers: [
          { text: 'Hello.', right: null },
          { text: 'Baa!', right: null },
        ],
      },
    ],
  }

  it('has the answers side by side, controls marked, and the loss of each model', () => {
    const table = answersTable(evaluation, 120)
    expect(table).toMatch(/│ prompt +│ base +│ epoch 1 +│/)
    expect(table).toMatch(/│ What is the capital of Italy\? +│ It is Rome\. ✓ +│ Baa\. ✗ +│/)
    expect(table).toMatch(/│ Say it\. +│ Hello\. +│ Baa! +│/)
    expect(table).toMatch(/│ loss on rows never trained on +│ 3\.500 +│ – +│/)
  })

  it('is followed by the benchmarks, where there are any, with the better direction', () => {
    const benchmarks = [
      { task: 'sums', metric: 'acc', higherIsBetter: true, values: [0.25, 0.5] },
      { task: 'words', metric: 'perplexity', higherIsBetter: false, values: [12.3456, null] },
    ]
    const lines = answersTable({ ...evaluation, benchmarks }, 120)
    expect(lines).toContain(answersTable(evaluation, 120))
    expect(lines).toMatch(/│ benchmark +│ metric +│ base +│ epoch 1 +│/)
    expect(lines).toMatch(/│ sums +│ acc ↑ +│ 0\.250 +│ 0\.500 +│/)
    expect(lines).toMatch(/│ words +│ perplexity ↓ +│ 12\.346 +│ – +│/)
    expect(answersTable(evaluation, 120)).not.toContain('benchmark')
  })

  it.each([60, 80, 120, 200])('is no wider than a terminal of %d columns', (columns) => {
    const widths = answersTable(evaluation, columns)
      .split('\n')
      .map((line) => line.length)
    expect(Math.max(...widths)).toBeLessThanOrEqual(columns)
  })
})
