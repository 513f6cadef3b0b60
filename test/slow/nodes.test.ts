import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { endChaos } from '../../local/chaos.ts'
import { run as runCommand } from '../../local/command.ts'
import { paths } from '../../local/paths.ts'
import { Deployment } from '../support/deployment.ts'
import { nodeCodes, twoNodes } from '../support/nodes.ts'
import { Scenarios } from '../support/scenarios.ts'

const deployment = await Deployment.open()
const scenarios = new Scenarios(deployment)
afterAll(async () => {
  await endChaos(deployment.port)
  await scenarios.booksBalance()
})

describe('the real trainer on two nodes', () => {
  it('trains one model on both, on the processors of this machine', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'roslin-nodes-'))
    await runCommand(paths.python, ['test/support/tiny_model.py', folder])
    for (const name of readdirSync(folder)) {
      await deployment.put(`test/tiny/${name}`, readFileSync(join(folder, name)))
    }
    const rows = Array.from({ length: 8 }, (_, row) => ({ instruction: `Say ${row}.`, output: 'Baa.' }))
    const source = await deployment.put('test/few.json', JSON.stringify(rows))
    const runId = await scenarios.startIn([], 'prepare:real train:real', {
      ...twoNodes,
      baseModel: { source: `s3://${deployment.bucket}/test/tiny/`, licence: 'MIT', parameters: 30_000 },
      dataset: { source, licence: 'MIT', heldOutFraction: 0 },
      training: { epochs: 1, batchSizePerGpu: 2, maxTokens: 256, learningRate: 0.001 },
    })
    const ended = await scenarios.nothingIsLeft(runId)
    expect(ended.failure).toBeUndefined()
    expect(nodeCodes(ended)).toEqual([
      [
        [0, 0],
        [1, 0],
      ],
    ])
    expect(await deployment.client.getMetrics(runId)).toMatchObject({ worldSize: 2, step: 2, totalSteps: 2 })
    expect((await deployment.keys(`runs/${runId}/profile/`)).sort()).toEqual(
      [0, 1].map((node) => `runs/${runId}/profile/node-${node}.json`),
    )
    const { lines } = await deployment.client.getLogs(runId, undefined)
    const logged = lines.filter(({ message }) => message.startsWith('train: done'))
    expect(logged.map(({ node }) => node).sort()).toEqual([0, 1])
    expect(
      await deployment.keys(ended.model?.uri.replace(`s3://${deployment.bucket}/`, '') ?? '-'),
    ).toContainEqual(expect.stringMatching(/model\.safetensors$/))
  }, 400_000)
})
