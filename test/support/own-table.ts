import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { ulid } from 'ulid'
import { inject } from 'vitest'
import { INDEXES, TABLE_KEYS } from '../../core/store/keys.ts'
import { awsEnvironment } from '../../local/embedded.ts'

/**
 * A table that no deployed function reads or writes, in the shared embedded AWS, for code that a test runs in its own process.
 * Gives its name.
 */
export async function ownTable(): Promise<string> {
  Object.assign(process.env, awsEnvironment(inject('embedded')))
  const TableName = `own-${ulid()}`
  const keys = [{ pk: TABLE_KEYS.pk, sk: TABLE_KEYS.sk }, ...INDEXES]
  const schemaOf = ({ pk, sk }: { readonly pk: string; readonly sk: string }) => [
    { AttributeName: pk, KeyType: 'HASH' as const },
    { AttributeName: sk, KeyType: 'RANGE' as const },
  ]
  await new DynamoDBClient({}).send(
    new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: keys.flatMap(schemaOf).map(({ AttributeName }) => ({
        AttributeName,
        AttributeType: 'S',
      })),
      KeySchema: schemaOf(TABLE_KEYS),
      GlobalSecondaryIndexes: INDEXES.map((index) => ({
        IndexName: index.index,
        KeySchema: schemaOf(index),
        Projection: { ProjectionType: 'ALL' },
      })),
    }),
  )
  return TableName
}
