import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readTeamFile } from '../../cli/team-file.ts'
import { startRoslin } from '../support/spawned.ts'
import { pathsOf, thrownBy } from '../support/thrown.ts'

describe('the file of a team', () => {
  const folder = mkdtempSync(join(tmpdir(), 'roslin-teams-'))
  const errorOf = (text: string) => {
    writeFileSync(join(folder, 'bad.yaml'), text)
    return thrownBy(() => readTeamFile('bad', folder))
  }

  it('that is no YAML is an error that names the lines', () => {
    expect(pathsOf(errorOf('name: bad\nbudget:\n\tmonthlyUsd: 1\n'), 'TEAM_INVALID')).toContain('line 3')
  })

  it('that has an alias of nothing is an error that names it', () => {
    const error = errorOf('name: bad\nbudget: *month\n')
    expect(error.code).toBe('TEAM_INVALID')
    expect(error.message).toContain('month')
  })

  it('that is not there is an error that says whose are', () => {
    const error = thrownBy(() => readTeamFile('serach'))
    expect(error.code).toBe('TEAM_INVALID')
    expect(error.message).toContain('teams/serach.yaml')
    expect(error.nextStep).toContain('demo, example')
  })

  it('is read before the embedded AWS is started with the team', async () => {
    const { code, stderr } = await startRoslin(['up', '--team', 'serach']).ended
    expect(stderr).toMatch(/^TEAM_INVALID: /)
    expect(code).toBe(2)
  })
})
