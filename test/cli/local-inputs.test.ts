import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Client } from '../../cli/client.ts'
import { checkLocalInputs, sendUp } from '../../cli/local-inputs.ts'
import { recipe } from '../support/recipes.ts'

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
