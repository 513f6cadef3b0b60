import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb'
import { Entity } from 'electrodb'
import { SERVICE, TABLE_KEYS } from './keys.ts'

const { pk, sk } = TABLE_KEYS

export interface TableConfiguration {
  readonly client: DynamoDBDocumentClient
  readonly table: string
}

/** Items of the team as a whole: its money, its open runs, its recipes. */
export function teamEntities(configuration: TableConfiguration) {
  const teamMonth = new Entity(
    {
      model: { entity: 'teamMonth', version: '1', service: SERVICE },
      attributes: {
        team: { type: 'string', required: true },
        month: { type: 'string', required: true },
        // Sums, only ever added to: a default would be written over them.
        committedUsd: { type: 'number' },
        spentUsd: { type: 'number' },
      },
      indexes: {
        byMonth: { pk: { field: pk, composite: ['team'] }, sk: { field: sk, composite: ['month'] } },
      },
    },
    configuration,
  )

  const teamRuns = new Entity(
    {
      model: { entity: 'teamRuns', version: '1', service: SERVICE },
      attributes: {
        team: { type: 'string', required: true },
        /** Runs with a reservation: those that have not both ended and been accounted. */
        open: { type: 'number' },
      },
      indexes: { byTeam: { pk: { field: pk, composite: ['team'] }, sk: { field: sk, composite: [] } } },
    },
    configuration,
  )

  const usedRecipe = new Entity(
    {
      model: { entity: 'usedRecipe', version: '1', service: SERVICE },
      attributes: {
        team: { type: 'string', required: true },
        name: { type: 'string', required: true },
        runs: { type: 'number' },
        newestRunId: { type: 'string', required: true },
        newestRunAt: { type: 'string', required: true },
      },
      indexes: {
        byName: { pk: { field: pk, composite: ['team'] }, sk: { field: sk, composite: ['name'] } },
      },
    },
    configuration,
  )

  return { teamMonth, teamRuns, usedRecipe }
}

/** Items that DynamoDB throws away by itself. */
export function requestEntity(configuration: TableConfiguration) {
  return new Entity(
    {
      model: { entity: 'request', version: '1', service: SERVICE },
      attributes: {
        team: { type: 'string', required: true },
        key: { type: 'string', required: true },
        /** Of the method, path and body. */
        hash: { type: 'string', required: true },
        /** What the request makes, if it makes something: the same whenever it is tried again. */
        id: { type: 'string', required: true },
        at: { type: 'string', required: true },
        /** Until then nobody else tries it; epoch milliseconds. */
        lockedUntil: { type: 'number', required: true },
        /** Of its answer, once there is one. */
        status: { type: 'number' },
        /** gzip, base64: a run with its recipe must fit an item. */
        body: { type: 'string' },
        /** Epoch seconds. DynamoDB removes it up to days later: who reads it compares. */
        expiresAt: { type: 'number', required: true, field: TABLE_KEYS.expiresAt },
      },
      indexes: {
        // Upper and lower case are two keys.
        byKey: {
          pk: { field: pk, composite: ['team', 'key'], casing: 'none' },
          sk: { field: sk, composite: [] },
        },
      },
    },
    configuration,
  )
}
