import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb'
import { beforeEach, describe, expect, it } from 'vitest'
import { DatasetStore } from '../../core/store/dataset-store.ts'
import { openTable } from '../../core/store/table.ts'
import { ownTable } from '../support/own-table.ts'

let datasets: DatasetStore
beforeEach(async () => {
  const name = await ownTable()
  datasets = new DatasetStore(openTable(DynamoDBDocumentClient.from(new DynamoDBClient({})), name), 'example')
})

const [early, late] = ['2026-11-24T12:00:00Z', '2026-11-24T12:00:05Z']

const accept = (sha256: string, createdAt: string) =>
  datasets.register({
    name: 'flock',
    sha256,
    uri: `s3://bucket/datasets/flock/${sha256}/rows.json`,
    rows: 1,
    format: 'alpaca',
    bytes: 1,
    createdAt,
    from: 's3://bucket/incoming/flock/rows.json',
  })

const refuse = (at: string) =>
  datasets.reject({
    name: 'flock',
    from: 's3://bucket/incoming/flock/wrong.json',
    at,
    code: 'DATASET_INVALID',
    message: 'It has no rows.',
    nextStep: 'Add some.',
    issues: [],
  })

describe('the summary of a data set has the newest version and the newest arrival', () => {
  it('where a newer file was refused before an older one was accepted', async () => {
    await refuse(late)
    expect(await datasets.list()).toEqual([{ name: 'flock', updatedAt: late }])
    await accept('a', early)
    expect(await datasets.list()).toEqual([{ name: 'flock', updatedAt: late, version: 1 }])
  })

  it('where an older file was refused after a newer one was accepted', async () => {
    await accept('a', late)
    await refuse(early)
    expect(await datasets.list()).toEqual([{ name: 'flock', updatedAt: late, version: 1 }])
  })

  it('where files are looked at in another order than they came, and one comes again', async () => {
    await accept('a', late)
    await accept('b', early)
    expect(await datasets.list()).toEqual([{ name: 'flock', updatedAt: late, version: 2 }])
    expect((await accept('a', late)).version).toBe(1)
    expect(await datasets.list()).toEqual([{ name: 'flock', updatedAt: late, version: 2 }])
  })
})
