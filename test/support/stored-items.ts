import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb'
import type { Item } from '../../core/store/schema-versions.ts'
import { root } from './checked-in.ts'

interface Input {
  readonly IndexName?: string
  readonly Key?: Item
  readonly KeyConditionExpression?: string
  readonly ExpressionAttributeNames?: Readonly<Record<string, string>>
  readonly ExpressionAttributeValues?: Readonly<Record<string, unknown>>
}

/** Items as a table has them. */
export function fixtureItems(name: string): Item[] {
  return JSON.parse(readFileSync(join(root, `test/fixtures/items/${name}.json`), 'utf8'))
}

/** A client of a table with these items, which gives them by key, by the beginning of it, and below it, and remembers all that it was sent. */
export function storedItems(items: readonly Item[]) {
  const sent: unknown[] = []
  const send = async ({ input }: { readonly input: Input }) => {
    sent.push(input)
    const { Key, ExpressionAttributeNames: names = {}, ExpressionAttributeValues: values = {} } = input
    if (Key) return { Item: structuredClone(items.find(({ pk, sk }) => pk === Key.pk && sk === Key.sk)) }
    const [pk, sk] = [names['#pk'] ?? '', names['#sk1'] ?? '']
    const wanted = String(values[':sk1'] ?? '')
    const matches = (key: string) =>
      input.KeyConditionExpression?.includes('#sk1 <') ? key < wanted : key.startsWith(wanted)
    const found = items.filter((item) => item[pk] === values[':pk'] && matches(String(item[sk])))
    return { Items: structuredClone(found) }
  }
  return { client: { send } as unknown as DynamoDBDocumentClient, sent }
}
