import { expect, it, vi } from 'vitest'
import type { Client } from '../../cli/client.ts'
import { startRun } from '../../cli/run-and-follow.ts'
import { recipe } from '../support/recipes.ts'

const file = { path: '/rows.json', name: 'rows.json', sha256: 'ab', bytes: 1 }

it.each([
  ['is started', false, 1],
  ['is not started when the person has left meanwhile', true, 0],
])('a run whose files are there %s', async (_, leaves, started) => {
  const leaving = new AbortController()
  const client = {
    createUpload: async () => {
      if (leaves) leaving.abort(new Error('out'))
      return { uri: 's3://bucket/uploads/abc/rows.json', post: null }
    },
    createRun: vi.fn(async () => ({})),
  }
  const checked = { recipe: recipe(), inputs: { dataset: [file], model: [], benchmarks: [] } }
  const starting = startRun(client as unknown as Client, checked, leaving.signal)
  if (leaves) await expect(starting).rejects.toThrow('out')
  else await starting
  expect(client.createRun).toHaveBeenCalledTimes(started)
})
