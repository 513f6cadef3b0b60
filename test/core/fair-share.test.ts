import { describe, expect, it } from 'vitest'
import { shareIdentifier, shareName, shares } from '../../core/fair-share.ts'
import { parseTeam } from '../../core/team.ts'

const run = { recipeName: 'dolly-v1' }
const person = (arn: string) => ({ ...run, startedBy: { kind: 'person', arn } as const })

describe('the share of a run', () => {
  it('is its recipe’s', () => {
    expect(shareName('recipe', person('arn:aws:iam::1:user/ian'))).toBe('dolly-v1')
  })

  it('is that of who started it, by the last part of the ARN', () => {
    expect(shareName('user', person('arn:aws:iam::1:user/team/ian'))).toBe('ian')
    expect(shareName('user', person('arn:aws:sts::1:assumed-role/Research/keith@example.org'))).toBe(
      'keith@example.org',
    )
  })

  it('is that of its kind where nobody started it', () => {
    const startedBy = { kind: 'schedule', name: 'nightly', scheduledAt: '2026-11-24T02:00:00Z' } as const
    expect(shareName('user', { ...run, startedBy })).toBe('schedule')
    expect(shareName('user', run)).toBe('person')
  })

  it('has an identifier of letters and digits alone, which tells names apart', () => {
    const names = ['dolly', 'dolly-v1', 'dollyv1', 'keith@example.org', 'keith.example@org', '-', '_']
    const identifiers = names.map(shareIdentifier)
    for (const identifier of identifiers) expect(identifier).toMatch(/^[A-Za-z0-9]{1,255}$/)
    expect(new Set(identifiers).size).toBe(names.length)
    expect(shareIdentifier('dolly')).toBe('dolly')
  })

  it('of three times the weight has a third of the factor', () => {
    const team = parseTeam({
      name: 'speech',
      region: 'us-east-1',
      capacity: [{ instanceType: 'm7i.large' }],
      fairShare: { by: 'recipe', weights: { dolly: 3, parrot: 0.5 } },
    })
    if (!team.fairShare) throw new Error('no share')
    expect(shares(team.fairShare)).toEqual([
      { shareIdentifier: 'dolly', weightFactor: 0.3333 },
      { shareIdentifier: 'parrot', weightFactor: 2 },
    ])
    expect(team.fairShare.historyHours).toBe(24)
  })
})
