import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb'
import { CustomAttributeType, Entity } from 'electrodb'
import type { Issue } from '../errors.ts'
import type { RowFormat } from '../row-formats.ts'
import { SERVICE, TABLE_KEYS } from './keys.ts'

const { pk, sk } = TABLE_KEYS

/** A team's data sets: each name once, its numbered versions, and the files that could not be one. */
export function datasetEntities(at: { readonly client: DynamoDBDocumentClient; readonly table: string }) {
  const text = { type: 'string', required: true } as const
  const number = { type: 'number', required: true } as const
  const dataset = new Entity(
    {
      model: { entity: 'dataset', version: '1', service: SERVICE },
      attributes: { team: text, name: text, updatedAt: text, version: { type: 'number' } },
      indexes: { byName: { pk: { field: pk, composite: ['team'] }, sk: { field: sk, composite: ['name'] } } },
    },
    at,
  )
  const datasetVersion = new Entity(
    {
      model: { entity: 'datasetVersion', version: '1', service: SERVICE },
      attributes: {
        team: text,
        name: text,
        version: { ...number, padding: { length: 8, char: '0' } },
        sha256: text,
        uri: text,
        rows: number,
        format: { type: CustomAttributeType<RowFormat>('string'), required: true },
        bytes: number,
        createdAt: text,
        from: text,
      },
      indexes: {
        byVersion: {
          pk: { field: pk, composite: ['team', 'name'] },
          sk: { field: sk, composite: ['version'] },
        },
      },
    },
    at,
  )
  const datasetRejection = new Entity(
    {
      model: { entity: 'datasetRejection', version: '1', service: SERVICE },
      attributes: {
        team: text,
        name: text,
        from: text,
        at: text,
        code: text,
        message: text,
        nextStep: text,
        issues: { type: CustomAttributeType<readonly Issue[]>('any'), required: true },
      },
      indexes: {
        byTime: {
          pk: { field: pk, composite: ['team', 'name'] },
          sk: { field: sk, composite: ['at', 'from'] },
        },
      },
    },
    at,
  )
  return { dataset, datasetVersion, datasetRejection }
}
