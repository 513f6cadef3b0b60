import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { parseTeam, parseTeamName } from '../../core/team.ts'
import { pathsOf, thrownBy } from '../support/thrown.ts'

const team = (overrides: Readonly<Record<string, unknown>> = {}) => ({
  name: 'speech',
  region: 'eu-west-1',
  capacity: [{ instanceType: 'p4d.24xlarge' }],
  ...overrides,
})

const NO_DNS_LABELS = [
  'Team',
  'my_team',
  '-team',
  'team-',
  '1team',
  'team.one',
  'team one',
  'tëam',
  '',
  '../demo',
  'a'.repeat(21),
]

describe('a team', () => {
  it('has defaults where its file says nothing', () => {
    expect(parseTeam(team())).toEqual({
      name: 'speech',
      region: 'eu-west-1',
      capacity: [{ instanceType: 'p4d.24xlarge', purchase: 'on-demand', waitMinutes: 60 }],
      trainerImage: { variant: 'main' },
      maxVcpus: 192,
      budget: {},
      limits: { concurrentRuns: 50 },
      network: { kind: 'public', zones: 2, flowLogs: false },
      notifications: { emails: [] },
      identity: {},
      people: { operators: [], viewers: [], sessionHours: 4, requireMfa: false },
      secrets: {},
      encryption: 'team-key',
      retention: { oldVersionsDays: 30, deletedCheckpointsDays: 3 },
      alarms: {
        enabled: true,
        stuckRunMinutes: 60,
        budgetPercent: 80,
        runbook: 'docs/operations.md',
      },
      dashboard: true,
      logRetentionDays: 90,
      schedules: [],
      tags: {},
      triggers: [],
    })
  })

  it.each(NO_DNS_LABELS)('cannot be named %j, which is no DNS label', (name) => {
    expect(
      pathsOf(
        thrownBy(() => parseTeam(team({ name }))),
        'TEAM_INVALID',
      ),
    ).toEqual(['name'])
    const error = thrownBy(() => parseTeamName(name))
    expect(error.code).toBe('TEAM_INVALID')
    expect(error.message).toContain(`"${name}"`)
    expect(error.message).toContain('DNS label')
  })

  it.each(['a', 'demo', 'nlp-2', 'a'.repeat(20)])('can be named %s', (name) => {
    expect(parseTeamName(name)).toBe(name)
    expect(parseTeam(team({ name })).name).toBe(name)
  })

  it('offers only instance types whose memory and price are known, and lists them', () => {
    const error = thrownBy(() => parseTeam(team({ capacity: [{ instanceType: 'p2.xlarge' }] })))
    expect(pathsOf(error, 'TEAM_INVALID')).toEqual(['capacity.0.instanceType'])
    expect(error.issues[0]?.message).toContain('p3dn.24xlarge')
  })

  it('offers p3 instances only with a machine image of its own', () => {
    const p3dn = { instanceType: 'p3dn.24xlarge' }
    const error = thrownBy(() => parseTeam(team({ capacity: [p3dn] })))
    expect(pathsOf(error, 'TEAM_INVALID')).toEqual(['capacity.0.amiId'])
    expect(error.issues[0]?.message).toContain('p3dn.24xlarge needs a machine image')
    const own = { ...p3dn, amiId: 'ami-0123456789abcdef0' }
    expect(parseTeam(team({ capacity: [own] })).capacity).toHaveLength(1)
  })

  it('refuses the same option a second time, and names which it is', () => {
    const m7i = { instanceType: 'm7i.large' }
    const capacity = [m7i, { ...m7i, purchase: 'spot' }, { ...m7i, waitMinutes: 15 }]
    const error = thrownBy(() => parseTeam(team({ capacity })))
    expect(pathsOf(error, 'TEAM_INVALID')).toEqual(['capacity.2'])
    expect(error.issues[0]?.message).toContain('m7i.large on-demand is listed twice')
  })

  it.each([
    ['region', { region: 'mars' }],
    ['capacity', { capacity: [] }],
    ['maxVcpus', { maxVcpus: -1 }],
    ['logRetentionDays', { logRetentionDays: 3 }],
    ['capacity.0.waitMinutes', { capacity: [{ instanceType: 'm7i.large', waitMinutes: 5 }] }],
    ['capacity.0.amiId', { capacity: [{ instanceType: 'm7i.large', amiId: 'ami-nice' }] }],
    ['budget', { budget: 100 }],
  ])('is refused for %s', (path, overrides) => {
    expect(
      pathsOf(
        thrownBy(() => parseTeam(team(overrides))),
        'TEAM_INVALID',
      ),
    ).toEqual([path])
  })

  it.each(['demo', 'example'])('of teams/%s.yaml can be used, and has the name of its file', (name) => {
    const file = new URL(`../../teams/${name}.yaml`, import.meta.url)
    expect(parseTeam(parse(readFileSync(file, 'utf8'))).name).toBe(name)
  })
})
