import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Client } from '../../cli/client.ts'
import { checkLocalInputs, sendUp } from '../../cli/local-inputs.ts'
import { recipe } from '../support/recipes.ts'
import { rejectionOf } from '../support/thrown.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'roslin-inputs-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const remote = recipe()
const withBenchmarks = (source: string) => ({
  ...remote,
  baseModel: { ...remote.baseModel, source: 's3://bucket/model/' },
  dataset: { ...remote.dataset, source: 's3://bucket/rows.jsonl' },
  evaluation: { ...remote.evaluation, benchmarks: { tasks: ['sums'], folder: source } },
})

describe('a benchmark folder beside the recipe', () => {
  it('is sent up whole, and the recipe names where it lies now', async () => {
    mkdirSync(join(folder, 'tasks/data'), { recursive: true })
    writeFileSync(join(folder, 'tasks/sums.yaml'), 'task: sums')
    writeFileSync(join(folder, 'tasks/data/questions.jsonl'), '{}')
    const given = withBenchmarks('./tasks')
    const inputs = await checkLocalInputs(given, join(folder, 'recipe.yaml'))
    expect(inputs.benchmarks.map(({ name }) => name)).toEqual(['data/questions.jsonl', 'sums.yaml'])
    const createUpload = vi.fn(async ({ fileName }: { fileName: string }) => ({
      uri: `s3://bucket/uploads/abc/${fileName}`,
    }))
    const sent = await sendUp({ createUpload } as unknown as Client, given, inputs, () => {})
    expect(createUpload).toHaveBeenCalledTimes(2)
    expect(sent).toEqual({
      ...given,
      evaluation: {
        ...given.evaluation,
        benchmarks: { tasks: ['sums'], folder: 's3://bucket/uploads/abc/' },
      },
    })
  })

  it.each(['./absent', './empty'])('must be there and hold a task: %s', async (source) => {
    mkdirSync(join(folder, 'empty'))
    await expect(checkLocalInputs(withBenchmarks(source), join(folder, 'recipe.yaml'))).rejects.toMatchObject(
      {
        code: 'BENCHMARKS_NOT_FOUND',
        issues: [{ path: 'evaluation.benchmarks.folder' }],
      },
    )
  })

  it('on S3 is left where it is', async () => {
    const given = withBenchmarks('s3://bucket/tasks/')
    const inputs = await checkLocalInputs(given, join(folder, 'recipe.yaml'))
    expect(inputs.benchmarks).toEqual([])
    expect(await sendUp({} as Client, given, inputs, () => {})).toEqual(given)
  })
})

const withModel = (source: string) => ({
  ...remote,
  baseModel: { ...remote.baseModel, source, parameters: 1000 },
  dataset: { ...remote.dataset, source: 's3://bucket/rows.jsonl' },
})

describe('a model folder beside the recipe', () => {
  const model = (...path: string[]) => join(folder, 'model', ...path)
  const checked = () => checkLocalInputs(withModel('./model'), join(folder, 'recipe.yaml'))
  beforeEach(() => {
    mkdirSync(model())
    writeFileSync(model('config.json'), JSON.stringify({ max_position_embeddings: 2048 }))
  })

  it('is sent whole where all of it is links, as in a snapshot of the cache of the Hub', async () => {
    mkdirSync(join(folder, 'blobs'))
    mkdirSync(model('onnx'))
    for (const [name, blob] of Object.entries({ 'model.safetensors': 'ab12', 'onnx/model.onnx': 'cd34' })) {
      writeFileSync(join(folder, 'blobs', blob), `bytes of ${blob}`)
      symlinkSync(join(folder, 'blobs', blob), model(name))
    }
    symlinkSync(model(), join(folder, 'linked'))
    const { model: files } = await checkLocalInputs(withModel('./linked'), join(folder, 'recipe.yaml'))
    expect(files.map(({ name, bytes }) => [name, bytes])).toEqual([
      ['config.json', 32],
      ['model.safetensors', 13],
      ['onnx/model.onnx', 13],
    ])
  })

  it.each([
    ['to nothing', 'absent'],
    ['to itself', 'model/lost'],
    ['to a folder, which may have no end', 'model'],
  ])('is refused by name for a link %s', async (_, target) => {
    symlinkSync(join(folder, target), model('lost'))
    const error = await rejectionOf(checked())
    expect(error).toMatchObject({
      code: 'MODEL_UNREADABLE',
      message: expect.stringContaining('"lost"'),
      issues: [{ path: 'baseModel.source' }],
    })
  })
})
