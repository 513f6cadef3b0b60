import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { resolveSettings } from '../../cli/settings.ts'
import { startRoslin } from '../support/spawned.ts'
import { thrownBy } from '../support/thrown.ts'

let home: string
let project: string
const env = (variables: NodeJS.ProcessEnv = {}) => ({ XDG_CONFIG_HOME: home, ...variables })

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'roslin-home-'))
  project = mkdtempSync(join(tmpdir(), 'roslin-project-'))
  mkdirSync(join(home, 'roslin'))
})

const userFile = (text: string) => writeFileSync(join(home, 'roslin/config.yaml'), text)
const projectFile = (text: string) => writeFileSync(join(project, '.roslin.yaml'), text)

describe('a setting', () => {
  it('comes from the first that has it: flag, environment, project file, user file', () => {
    userFile('team: of-user')
    const at = { env: env({ ROSLIN_TEAM: 'of-environment' }), folder: project }
    expect(resolveSettings({ team: 'of-flag' }, at).team).toEqual({
      value: 'of-flag',
      source: 'flag',
      from: '--team',
    })
    expect(resolveSettings({}, at).team).toEqual({
      value: 'of-environment',
      source: 'environment',
      from: 'ROSLIN_TEAM',
    })
    const bare = { env: env(), folder: project }
    expect(resolveSettings({}, bare).team).toEqual({
      value: 'of-user',
      source: 'user file',
      from: join(home, 'roslin/config.yaml'),
    })
    projectFile('team: of-project')
    expect(resolveSettings({}, bare).team).toEqual({
      value: 'of-project',
      source: 'project file',
      from: join(project, '.roslin.yaml'),
    })
  })

  it('is settled one by one: a file that has only a team leaves the port to the next', () => {
    projectFile('team: speech')
    userFile('port: 5000')
    const { team, port } = resolveSettings({}, { env: env(), folder: project })
    expect([team.source, port.source, port.value]).toEqual(['project file', 'user file', 5000])
  })

  it('has a default, or none', () => {
    const { team, region, profile, port } = resolveSettings({}, { env: env(), folder: project })
    expect([team.value, region.value, profile.value, port.value]).toEqual([
      undefined,
      undefined,
      undefined,
      4747,
    ])
  })

  it('is found from a folder below the project, and in package.json', () => {
    writeFileSync(
      join(project, 'package.json'),
      JSON.stringify({ name: 'x', roslin: { region: 'eu-west-1' } }),
    )
    const folder = join(project, 'a/b')
    mkdirSync(folder, { recursive: true })
    expect(resolveSettings({}, { env: env(), folder }).region).toEqual({
      value: 'eu-west-1',
      source: 'project file',
      from: join(project, 'package.json'),
    })
  })

  it.each([
    ['port: 80', 'port'],
    ['region: Ireland', 'region'],
    ['tema: speech', 'tema'],
  ])('%j is refused with the file it stands in', (text, name) => {
    projectFile(text)
    const error = thrownBy(() => resolveSettings({}, { env: env(), folder: project }))
    expect(error).toMatchObject({
      code: 'SETTINGS_INVALID',
      issues: [{ path: `${name} in ${join(project, '.roslin.yaml')}` }],
    })
  })

  it('of the environment is refused by the name of its variable', () => {
    const error = thrownBy(() => resolveSettings({}, { env: env({ ROSLIN_PORT: 'x' }), folder: project }))
    expect(error).toMatchObject({ code: 'SETTINGS_INVALID', issues: [{ path: 'ROSLIN_PORT' }] })
  })
})

it('roslin config shows each value and where it comes from', async () => {
  userFile('team: speech')
  const { stdout, code } = await startRoslin(['config', '--port', '5001', '--json'], {
    XDG_CONFIG_HOME: home,
    AWS_PROFILE: 'research',
    ROSLIN_TEAM: '',
  }).ended
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({
    team: { value: 'speech', source: 'user file' },
    profile: { value: 'research', source: 'environment', from: 'AWS_PROFILE' },
    port: { value: 5001, source: 'flag', from: '--port' },
  })
})
