import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Client } from '../../cli/client.ts'
import { checkLocalInputs, sendUp } from '../../cli/local-inputs.ts'
import { datasetUploadRequestSchema, uploadRequestSchema } from '../../core/upload.ts'
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

  it("is sent without what the Hub's downloader and Git keep in it, and without empty files", async () => {
    mkdirSync(model('.cache/huggingface/download'), { recursive: true })
    writeFileSync(model('.cache/huggingface/.gitignore'), '*')
    writeFileSync(model('.cache/huggingface/download/config.json.lock'), '')
    mkdirSync(model('.git'))
    writeFileSync(model('.git/HEAD'), 'ref: refs/heads/main')
    writeFileSync(model('.gitattributes'), '*.safetensors filter=lfs')
    writeFileSync(model('merges.txt'), '')
    expect((await checked()).model.map(({ name }) => name)).toEqual(['.gitattributes', 'config.json'])
  })

  it.each(['READ ME.md', 'notes/größe.txt', 'a..b'])('is refused for a file named %j', async (name) => {
    mkdirSync(model('notes'))
    writeFileSync(model(name), 'text')
    const error = await rejectionOf(checked())
    expect(error.code).toBe('MODEL_UNREADABLE')
    expect(error.message).toContain(`${JSON.stringify(name)} cannot be sent under that name`)
  })

  it('is refused for a file that is larger than S3 takes in one form', async () => {
    writeFileSync(model('model.safetensors'), '')
    truncateSync(model('model.safetensors'), 5 * 2 ** 30 + 1)
    const error = await rejectionOf(checked())
    expect(error.code).toBe('MODEL_UNREADABLE')
    expect(error.message).toContain('"model.safetensors" has 5368709121 bytes')
  })
})

describe('a data file beside the recipe', () => {
  it.each([
    ['my dir/my data (1).json', 'my-data-1-.json'],
    ['größe.jsonl.gz', 'gr-e.jsonl.gz'],
    ['rows..json', 'rows.json'],
    ['rows.json', 'rows.json'],
  ])('may have any name: %j is sent as %j', async (source, sent) => {
    mkdirSync(join(folder, 'my dir'))
    writeFileSync(join(folder, source), '[{"instruction": "Say it.", "output": "Baa."}]')
    const given = { ...withModel('s3://bucket/model/'), dataset: { ...remote.dataset, source } }
    const { dataset } = await checkLocalInputs(given, join(folder, 'recipe.yaml'))
    expect(dataset).toMatchObject([{ path: join(folder, source), name: sent }])
    for (const { name } of dataset) {
      expect(uploadRequestSchema.shape.fileName.safeParse(name).success).toBe(true)
      expect(datasetUploadRequestSchema.shape.fileName.safeParse(name).success).toBe(true)
    }
  })
})
