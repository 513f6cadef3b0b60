import { cpSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { freePort, gone, processesOf } from '../support/processes.ts'
import { startRoslin } from '../support/spawned.ts'

const folder = mkdtempSync(join(tmpdir(), 'roslin-start-'))
let stateDir: string
let port: string
let made = 0

/** Each test has a copy of what was deployed: starting it takes a moment, and no deployment. */
beforeEach(async () => {
  stateDir = join(folder, `state-${made++}`)
  cpSync(inject('embedded').deployedState, stateDir, { recursive: true })
  port = String(await freePort())
})

afterAll(() => {
  // A test that failed half-way may have left an embedded AWS in the background.
  for (const pid of processesOf(folder)) process.kill(pid, 'SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

const begin = (...args: string[]) => startRoslin(args, { ROSLIN_STATE_DIR: stateDir, NO_COLOR: '1' })
const roslin = (...args: string[]) => begin(...args).ended
const nothingLeft = () => gone('every process', () => processesOf(stateDir))

function recipeFile(): string {
  mkdirSync(join(folder, 'model'), { recursive: true })
  writeFileSync(join(folder, 'model/config.json'), '{"n_positions": 2048}')
  writeFileSync(join(folder, 'rows.json'), '[{"instruction": "One", "output": "Baa."}]')
  const file = join(folder, 'recipe.yaml')
  const recipe = {
    name: 'stub',
    baseModel: { source: 'model', licence: 'MIT', parameters: 1000 },
    dataset: { source: 'rows.json', licence: 'MIT' },
    resources: { gpus: 0 },
  }
  writeFileSync(file, JSON.stringify(recipe))
  return file
}

describe('roslin start', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('leaves no process at %s, and ends with 130', async (signal) => {
    const starting = begin('start', recipeFile(), '--port', port)
    await starting.says(/^run \w{26}/m)
    starting.child.kill(signal)
    const { code } = await starting.ended
    expect(code).toBe(130)
    await nothingLeft()
  })

  it('sends nothing more at SIGINT while it sends its files, and starts no run', async () => {
    const recipe = recipeFile()
    const weights = join(folder, 'model/model.safetensors')
    writeFileSync(weights, '')
    truncateSync(weights, 1e9)
    const starting = begin('start', recipe, '--port', port)
    await starting.says(/sending model\.safetensors/)
    starting.child.kill('SIGINT')
    const { code, stderr } = await starting.ended
    rmSync(weights)
    expect(code).toBe(130)
    expect(stderr).not.toMatch(/^run \w{26}/m)
    await nothingLeft()
  })

  it('leaves no process when it is killed with -9, and starts again with the run it had', async () => {
    const starting = begin('start', recipeFile(), '--port', port)
    const [, runId = ''] = await starting.says(/^run (\w{26})/m)
    starting.child.kill('SIGKILL')
    await starting.ended
    await nothingLeft()

    await roslin('up', '--port', port)
    const { stdout } = await roslin('runs', 'get', runId, '--json')
    expect(JSON.parse(stdout)).toMatchObject({ runId, status: 'failed' })
    await roslin('down')
    await nothingLeft()
  })

  it('leaves no process when it is stopped while it starts the embedded AWS', async () => {
    const starting = begin('start', recipeFile(), '--port', port)
    await starting.says(/Embedded AWS on port/)
    starting.child.kill('SIGINT')
    expect((await starting.ended).code).toBe(130)
    await nothingLeft()
  })

  it('says what to do when the port is taken', async () => {
    const { code, stderr } = await roslin('start', recipeFile(), '--port', String(inject('embedded').port))
    expect(stderr).toContain(`PORT_BUSY: Port ${inject('embedded').port} is taken by another program.`)
    expect(stderr).toContain('--port')
    expect(code).toBe(2)
    await nothingLeft()
  })

  it('starts nothing for a recipe that cannot be used, and leaves no process', async () => {
    const file = join(folder, 'bad.yaml')
    writeFileSync(file, 'name: stub\nepochs: 3\n')
    const { code, stderr } = await roslin('start', file, '--port', port)
    expect(stderr).toContain('RECIPE_INVALID')
    expect(code).toBe(2)
    await nothingLeft()
  })
})

describe('roslin up and down', () => {
  it('keep the runs', async () => {
    const up = await roslin('up', '--port', port)
    expect(up.code).toBe(0)
    expect(up.stdout).toBe('')
    const { stdout } = await roslin('run', recipeFile())
    const runId = stdout.trim()
    expect((await roslin('down')).code).toBe(0)
    await nothingLeft()

    expect((await roslin('up', '--port', port)).code).toBe(0)
    const list = await roslin('runs', 'list', '--json')
    expect(JSON.parse(list.stdout).runs).toMatchObject([{ runId }])
    expect((await roslin('up', '--port', port)).code).toBe(0)
    expect((await roslin('down')).code).toBe(0)
    const again = await roslin('down')
    expect(again.stderr).toContain('was not running')
    expect(again.code).toBe(0)
    await nothingLeft()
  })
})
