import { describe, expect, it } from 'vitest'
import {
  budgetNoticeSchema,
  eventsOfMonth,
  eventsOfRun,
  runStatusChangeSchema,
} from '../../core/run-events.ts'
import type { Run } from '../../core/store/run-store.ts'
import { recipe } from '../support/recipes.ts'

const at = '2026-11-24T10:00:00.000Z'
const before: Run = {
  runId: 'RUN',
  team: 'speech',
  recipeName: 'parrot',
  recipe: recipe(),
  status: 'queued',
  execution: 0,
  from: 'prepare',
  createdAt: at,
  timeline: [{ status: 'queued', at }],
  reservation: { month: '2026-11', usd: 100 },
}
const failure = { class: 'budget', code: 'BUDGET', step: 'train', message: 'Enough.', nextStep: 'Resume it.' }

describe('the events of a run', () => {
  it('are one for each new entry of its timeline, numbered', () => {
    const after: Run = {
      ...before,
      status: 'waiting',
      timeline: [
        ...before.timeline,
        { status: 'planning', at },
        { status: 'waiting', at, note: 'Going on.' },
      ],
    }
    const events = eventsOfRun(before, after)
    expect(events.map(({ detail }) => runStatusChangeSchema.parse(detail))).toMatchObject([
      { sequence: 1, status: 'planning', summary: 'Run RUN of parrot is planning.' },
      {
        sequence: 2,
        status: 'waiting',
        note: 'Going on.',
        summary: 'Run RUN of parrot is waiting. Going on.',
      },
    ])
    expect(eventsOfRun(undefined, before)).toHaveLength(1)
    expect(eventsOfRun(after, { ...after, spentUsd: 3 })).toEqual([])
  })

  it('tell how it ended', () => {
    const timeline = (status: Run['status']) => [...before.timeline, { status, at }]
    const failed: Run = { ...before, status: 'failed', failure, timeline: timeline('failed') }
    expect(eventsOfRun(before, failed)[0]?.detail).toMatchObject({
      failure,
      summary: 'Run RUN of parrot is failed: Enough. Resume it.',
    })
    const model = { name: 'parrot', version: 3, uri: 's3://bucket/models/' }
    const succeeded: Run = { ...before, status: 'succeeded', model, timeline: timeline('succeeded') }
    expect(runStatusChangeSchema.parse(eventsOfRun(before, succeeded)[0]?.detail)).toMatchObject({
      model,
      summary: 'Run RUN of parrot has succeeded: model parrot@3.',
    })
  })

  it('give notice of its budget when that is marked', () => {
    const [notice, ...others] = eventsOfRun(before, { ...before, budgetNoticeAt: at })
    expect(others).toEqual([])
    expect(budgetNoticeSchema.parse(notice?.detail)).toMatchObject({
      runId: 'RUN',
      limitUsd: 100,
      summary: 'Run RUN of parrot has cost 80 % of the $100.00 it may cost.',
    })
  })
})

describe("the notice of a team's month", () => {
  const month = (committedUsd: number) => ({ team: 'speech', month: '2026-11', committedUsd })

  it('comes in the moment that four fifths are spent or reserved', () => {
    const [notice] = eventsOfMonth(month(79), month(80), 100)
    expect(budgetNoticeSchema.parse(notice?.detail)).toMatchObject({ limitUsd: 100, committedUsd: 80 })
    expect(eventsOfMonth(undefined, month(90), 100)).toHaveLength(1)
  })

  it('does not come before, nor again, nor where there is no limit', () => {
    expect(eventsOfMonth(month(10), month(79), 100)).toEqual([])
    expect(eventsOfMonth(month(80), month(90), 100)).toEqual([])
    expect(eventsOfMonth(month(10), month(90), undefined)).toEqual([])
  })
})
