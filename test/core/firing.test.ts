import { describe, expect, it } from 'vitest'
import { fingerprint, isUnchanged } from '../../core/fingerprint.ts'
import { decideOverlap, type Firing, isDue, isMissed, runsNamed } from '../../core/firing.ts'
import { makePlan, type PinnedInputs } from '../../core/plan.ts'
import { deployment, pinned, recipe } from '../support/recipes.ts'

describe('a firing while the last run has not ended', () => {
  it.each([
    ['skip', 'skip'],
    ['queue', 'wait'],
    ['cancel-previous', 'cancel-previous'],
  ] as const)('with overlap: %s is decided as %s', (overlap, decision) => {
    expect(decideOverlap(overlap, 'training', false)).toBe(decision)
  })

  it('does not wait behind another that waits', () => {
    for (const overlap of ['queue', 'cancel-previous'] as const)
      expect(decideOverlap(overlap, 'training', true)).toBe('skip')
  })

  it('starts where the last run has ended, however, or there is none', () => {
    for (const last of ['succeeded', 'failed', 'cancelled', 'budget-stopped', undefined] as const)
      expect(decideOverlap('skip', last, false)).toBe('start')
  })

  it('leaves the run to the one that waits, in the moment between the end and its start', () => {
    expect(decideOverlap('queue', 'succeeded', true)).toBe('skip')
  })
})

const firing = (fields: Partial<Firing>): Firing => ({
  origin: 'schedule.nightly',
  key: '1',
  status: 'waiting',
  at: '2026-11-24T11:00:00Z',
  startedBy: { kind: 'schedule', name: 'nightly', scheduledAt: '1' },
  ...fields,
})

describe('runs that firings name', () => {
  it('are sorted by when each was begun: one that waited has its run later than those that it made skip', () => {
    const firings = [
      firing({ key: '4', status: 'skipped', after: 'A' }),
      firing({ key: '3', status: 'skipped', after: 'A' }),
      firing({ key: '2', status: 'started', runId: 'B' }),
      firing({ key: '1', status: 'started', runId: 'A' }),
    ]
    expect(runsNamed(firings)).toEqual(['B', 'A'])
  })

  it('are there for whatever reason they are named', () => {
    expect(runsNamed([firing({}), firing({ status: 'skipped', sameAs: 'A' })])).toEqual(['A'])
    expect(runsNamed([firing({})])).toEqual([])
  })
})

describe('an open firing', () => {
  const now = new Date('2026-11-24T12:00:00Z')

  it('goes on when the run that it waits for has ended, or is not there', () => {
    expect(isDue(firing({ after: 'R' }), now, () => 'training')).toBe(false)
    expect(isDue(firing({ after: 'R' }), now, () => 'failed')).toBe(true)
    expect(isDue(firing({ after: 'R' }), now, () => undefined)).toBe(true)
  })

  it('that waits for a place goes on with the next sweep', () => {
    expect(isDue(firing({ code: 'TOO_MANY_RUNS' }), now, () => undefined)).toBe(true)
  })

  it('goes on when its window closes', () => {
    expect(isDue(firing({ dueAt: '2026-11-24T12:00:01Z' }), now, () => undefined)).toBe(false)
    expect(isDue(firing({ dueAt: '2026-11-24T12:00:00Z' }), now, () => undefined)).toBe(true)
  })

  it('is begun again when whoever began it has not ended it in five minutes', () => {
    expect(isDue(firing({ status: 'starting', at: '2026-11-24T11:56:00Z' }), now, () => undefined)).toBe(
      false,
    )
    expect(isDue(firing({ status: 'starting', at: '2026-11-24T11:54:00Z' }), now, () => undefined)).toBe(true)
  })

  it('is not gone on with once it is decided', () => {
    for (const status of ['started', 'skipped', 'refused', 'missed'] as const)
      expect(isDue(firing({ status }), now, () => undefined)).toBe(false)
  })
})

it('a firing is missed when it comes later than its window', () => {
  const due = new Date('2026-11-24T12:00:00Z')
  expect(isMissed(due, new Date('2026-11-24T13:00:00Z'), 60)).toBe(false)
  expect(isMissed(due, new Date('2026-11-24T13:00:01Z'), 60)).toBe(true)
  // Its clock may be ahead of ours.
  expect(isMissed(due, new Date('2026-11-24T11:59:00Z'), 60)).toBe(false)
})

describe('a plan is unchanged', () => {
  const plan = (runId: string, inputs: Partial<PinnedInputs> = {}, more = {}, deployed = {}) =>
    makePlan(
      { runId, createdAt: '2026-11-24T12:00:00Z' },
      recipe(more),
      { ...pinned, ...inputs },
      deployment(deployed),
    )

  it('when data, base model, recipe and code are those of the last success, whichever run that was', () => {
    expect(isUnchanged(plan('B'), plan('A'))).toBe(true)
    expect(fingerprint(plan('B'))).toBe(fingerprint(plan('A')))
  })

  it('never when nothing has succeeded yet', () => {
    expect(isUnchanged(plan('B'), undefined)).toBe(false)
  })

  it.each([
    ['data', plan('B', { dataset: { sha256: 'b'.repeat(64), rows: 100 } })],
    ['base model', plan('B', { model: { ...pinned.model, contentKey: 'another' } })],
    ['recipe', plan('B', {}, { training: { epochs: 2 } })],
    ['code', plan('B', {}, {}, { codeVersion: '0.1.0+def' })],
    ['trainer', plan('B', {}, {}, { trainerImage: 'trainer:2' })],
  ])('not when the %s is another', (_, other) => {
    expect(isUnchanged(other, plan('A'))).toBe(false)
  })
})
