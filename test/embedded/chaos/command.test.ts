import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { endChaos } from '../../../local/chaos.ts'
import { startRoslin } from '../../support/spawned.ts'

const { port, stateDir } = inject('embedded')
const folder = mkdtempSync(join(tmpdir(), 'roslin-chaos-'))
afterEach(() => endChaos(port))

const roslin = (at: string, ...args: string[]) =>
  startRoslin(['chaos', ...args], { ROSLIN_STATE_DIR: at, NO_COLOR: '1' }).ended

function chaosFile(text: string): string {
  const file = join(folder, 'chaos.yaml')
  writeFileSync(file, text)
  return file
}

describe('roslin chaos', () => {
  it('sets, adds, shows and ends what goes wrong', async () => {
    const reclaim = '{kind: reclaim-host, purchase: spot, afterSeconds: 20, run: nobody}'
    const set = await roslin(stateDir, 'set', chaosFile(`{timeScale: 0.01, rules: [${reclaim}]}`))
    expect(set.code).toBe(0)
    const noImage = chaosFile('rules: [{kind: no-image, run: nobody}]')
    expect((await roslin(stateDir, 'set', '--add', noImage)).code).toBe(0)
    const { stdout } = await roslin(stateDir, 'show')
    expect(stdout.split('\n')).toEqual([
      "A second of a queue's time limit takes 0.01 s.",
      'reclaim-host run=nobody purchase=spot afterSeconds=20 (applied 0×)',
      'no-image run=nobody (applied 0×)',
      '',
    ])
    expect((await roslin(stateDir, 'off')).code).toBe(0)
    const shown = await roslin(stateDir, 'show', '--json')
    expect(JSON.parse(shown.stdout)).toEqual({ timeScale: 1, rules: [] })
  })

  it.each([
    [
      'a rule that there is not',
      'rules: [{kind: earthquake}]',
      /CHAOS_INVALID: rules\[0\]\.kind is 'earthquake'/,
    ],
    ['a file that is no YAML', 'rules: [', /CHAOS_INVALID: .* is no valid YAML/],
  ])('refuses %s, and leaves what was set', async (_, text, message) => {
    const { code, stderr } = await roslin(stateDir, 'set', chaosFile(text))
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })

  it('is for the embedded AWS alone', async () => {
    const { code, stderr } = await roslin(folder, 'show')
    expect(stderr).toContain('DEPLOYMENT_NOT_FOUND')
    expect(code).toBe(3)
  })
})
