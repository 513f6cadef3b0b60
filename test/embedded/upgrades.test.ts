import { BatchWriteCommand } from '@aws-sdk/lib-dynamodb'
import { afterAll, describe, expect, it } from 'vitest'
import type { Item } from '../../core/store/schema-versions.ts'
import { Deployment } from '../support/deployment.ts'
import { fixtureItems } from '../support/stored-items.ts'

const deployment = await Deployment.open()
const { client, dynamo, tableName } = deployment
/** Of another team, so that no list of this one has it. */
const old = fixtureItems('release-0.1.0')
const oldRunId = '01K5A1B2C3D4E5F6G7H8J9K0M1'

const write = (requests: readonly object[]) =>
  dynamo.send(new BatchWriteCommand({ RequestItems: { [tableName]: [...requests] } }))
const put = (items: readonly Item[]) => write(items.map((Item) => ({ PutRequest: { Item } })))

afterAll(() => write(old.map(({ pk, sk }) => ({ DeleteRequest: { Key: { pk, sk } } }))))

describe('what an earlier version has stored', () => {
  it('is there: a run of release 0.1.0, with its recipe and what it cost', async () => {
    await put(old)
    const run = await client.getRun(oldRunId)
    expect(run).toMatchObject({
      status: 'succeeded',
      recipe: { name: 'dolly-mini' },
      attempts: [{ step: 'train' }],
    })
    expect(run.costUsd).toBeCloseTo(1.4)
  })

  it('is refused where a later version has stored it, with what to do', async () => {
    await put(old.map((item) => ({ ...item, schemaVersion: 99 })))
    await expect(client.getRun(oldRunId)).rejects.toMatchObject({
      code: 'SCHEMA_TOO_NEW',
      nextStep: expect.stringContaining('Deploy the newer version'),
    })
  })
})
