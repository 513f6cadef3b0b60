import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../../local/command.ts'
import { paths } from '../../local/paths.ts'
import { freePort, gone, processesOf } from '../support/processes.ts'
import { type Ended, startRoslin } from '../support/spawned.ts'

/** The container contract, kept by somebody else: examples/hf-trainer in the place of Roslin's trainer. */
describe('a trainer of one’s own', () => {
  const folder = mkdtempSync(join(tmpdir(), 'roslin-own-trainer-'))
  const stateDir = join(folder, 'state')
  let ended: Ended

  beforeAll(async () => {
    await run(paths.python, ['test/support/tiny_model.py', join(folder, 'model')])
    const rows = Array.from({ length: 8 }, (_, number) => ({
      instruction: `Count to ${number}.`,
      output: 'Baa!',
    }))
    writeFileSync(join(folder, 'rows.json'), JSON.stringify(rows))
    const recipe = {
      name: 'own-trainer',
      baseModel: { source: 'model', licence: 'MIT', parameters: 30_000 },
      dataset: { source: 'rows.json', licence: 'MIT' },
      training: { batchSizePerGpu: 4, epochs: 2, learningRate: 0.01 },
      resources: { gpus: 0 },
    }
    writeFileSync(join(folder, 'recipe.yaml'), JSON.stringify(recipe))
    const trainer = ['--trainer', 'python examples/hf-trainer/train.py']
    const args = [
      'start',
      join(folder, 'recipe.yaml'),
      ...trainer,
      '--once',
      '--port',
      String(await freePort()),
    ]
    ended = await startRoslin(args, { ROSLIN_STATE_DIR: stateDir }).ended
  })

  afterAll(async () => {
    await gone('every process', () => processesOf(stateDir))
    rmSync(folder, { recursive: true, force: true })
  })

  it('trains through the same flow, and its model is registered', () => {
    expect(ended.stderr).toContain('succeeded')
    expect(ended.stdout).toMatch(/model own-trainer@1: s3:\/\/\S+\/models\/own-trainer\/\w{26}\/$/m)
    expect(ended.code).toBe(0)
  })
})
