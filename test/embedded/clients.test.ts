import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, it } from 'vitest'
import { root } from '../support/checked-in.ts'
import { Deployment } from '../support/deployment.ts'
import { execute } from '../support/spawned.ts'

const deployment = await Deployment.open()
const { stateDir, team } = inject('embedded')

/** The only block of a language in docs/clients.md. */
function snippet(language: string): string {
  const page = readFileSync(join(root, 'docs/clients.md'), 'utf8')
  const blocks = [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(([, name]) => name === language)
  expect(blocks).toHaveLength(1)
  return blocks[0]?.[2] ?? ''
}

describe('what docs/clients.md shows, run as it stands', () => {
  let runId: string
  beforeAll(async () => {
    runId = (await deployment.ended((await deployment.start()).runId)).runId
  })

  it('lists runs from TypeScript, in a project that has linked the package', async () => {
    const project = mkdtempSync(join(tmpdir(), 'roslin-client-'))
    mkdirSync(join(project, 'node_modules'))
    symlinkSync(root, join(project, 'node_modules/roslin'))
    writeFileSync(join(project, 'list.mts'), snippet('ts'))
    const { code, stdout, stderr } = await execute(process.execPath, [join(project, 'list.mts')], {
      ROSLIN_STATE_DIR: stateDir,
      ROSLIN_TEAM: team,
    })
    expect(stderr).toBe('')
    expect(stdout).toMatch(new RegExp(`^${runId} stub succeeded stub@\\d+$`, 'm'))
    expect(stdout).toMatch(/^RUN_NOT_FOUND .+/m)
    expect(code).toBe(0)
  })

  it('lists runs from Python, and says why a recipe is refused', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'roslin-client-'))
    const file = join(folder, 'list.py')
    writeFileSync(file, snippet('python'))
    const { code, stdout, stderr } = await execute(join(root, '.venv/bin/python'), [file], {
      ...deployment.env,
      ROSLIN_API_URL: deployment.apiUrl,
    })
    expect(stderr).toBe('')
    expect(stdout).toMatch(new RegExp(`^${runId} stub succeeded$`, 'm'))
    expect(stdout).toMatch(/^RECIPE_INVALID: .+/m)
    expect(code).toBe(0)
  })
})
