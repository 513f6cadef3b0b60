import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { freePort, gone, processesOf } from '../support/processes.ts'
import { type Spawned, startRoslin } from '../support/spawned.ts'

const folder = mkdtempSync(join(tmpdir(), 'roslin-start-'))
const stateDir = join(folder, 'state')
const env = { ROSLIN_STATE_DIR: stateDir, NO_COLOR: '1' }
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

describe('roslin start', () => {
  let first: Spawned

  it('deploys, and runs a recipe, in a shell that is set up for a proxy and for FIPS endpoints of AWS', async () => {
    cpSync(inject('embedded').deployedState, stateDir, { recursive: true })
    // Without its note of what is deployed, the CDK is asked.
    rmSync(join(stateDir, 'aws/deployed-demo'))
    const nobody = 'http://127.0.0.1:9'
    const shell = {
      HTTP_PROXY: nobody,
      http_proxy: nobody,
      NODE_USE_ENV_PROXY: '1',
      AWS_USE_FIPS_ENDPOINT: 'true',
    }
    const args = ['start', recipeFile(), '--port', String(await freePort()), ...trainer]
    first = startRoslin(args, { ...env, ...shell })
    await first.says(/succeeded[\s\S]*Ctrl-C ends it/)
  })

  it('ends once another terminal has stopped its embedded AWS', async () => {
    expect((await startRoslin(['down'], env).ended).stderr).toContain('The embedded AWS has stopped')
    const { code, stderr } = await first.ended
    expect(stderr).toContain('The embedded AWS has ended, and not by this command')
    expect(code).toBe(0)
  })
})
