import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, inject, it } from 'vitest'
import { freePort, gone, processesOf } from '../support/processes.ts'
import { startRoslin } from '../support/spawned.ts'

const folder = mkdtempSync(join(tmpdir(), 'roslin-start-'))
const stateDir = join(folder, 'state')
const begin = (...args: string[]) => startRoslin(args, { ROSLIN_STATE_DIR: stateDir, NO_COLOR: '1' })
const trainer = ['--trainer', 'python test/support/stub_trainer.py']

afterAll(async () => {
  await gone('every process', () => processesOf(stateDir))
  rmSync(folder, { recursive: true, force: true })
})

function recipeFile(): string {
  const file = join(folder, 'recipe.yaml')
  mkdirSync(join(folder, 'model'))
  writeFileSync(join(folder, 'model/config.json'), JSON.stringify({ max_position_embeddings: 2048 }))
  writeFileSync(join(folder, 'rows.json'), JSON.stringify([{ instruction: 'Say it.', output: 'Baa.' }]))
  const recipe = {
    name: 'stub',
    baseModel: { source: 'model', licence: 'Apache-2.0', parameters: 1000 },
    dataset: { source: 'rows.json', licence: 'CC-BY-4.0' },
    training: { epochs: 1 },
    resources: { gpus: 0 },
  }
  writeFileSync(file, JSON.stringify(recipe))
  return file
}

it('roslin start ends once another terminal has stopped its embedded AWS', async () => {
  cpSync(inject('embedded').deployedState, stateDir, { recursive: true })
  const first = begin('start', recipeFile(), '--port', String(await freePort()), ...trainer)
  await first.says(/Ctrl-C ends it/)
  expect((await begin('down').ended).stderr).toContain('The embedded AWS has stopped')
  const { code, stderr } = await first.ended
  expect(stderr).toContain('The embedded AWS has ended, and not by this command')
  expect(code).toBe(0)
})
