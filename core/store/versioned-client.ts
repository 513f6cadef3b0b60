import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb'
import { type Item, SCHEMA_VERSION, schemaVersion, upgraded } from './schema-versions.ts'

interface Write {
  UpdateExpression?: string
  ConditionExpression?: string
  ExpressionAttributeNames?: Record<string, string>
  ExpressionAttributeValues?: Record<string, unknown>
  Item?: Record<string, unknown>
}

/** What ElectroDB gives to a document client and gets from it, of what concerns items. */
interface Input extends Write {
  readonly TransactItems?: readonly { readonly Put?: Write; readonly Update?: Write }[]
}
interface Output {
  Item?: Item
  Items?: Item[]
}

/**
 * The client as ElectroDB is to use it: each item that is made carries its schema version, and each that is read comes as the current
 * code knows it, whatever attributes it was stored with.
 */
export function versionedClient(client: DynamoDBDocumentClient): DynamoDBDocumentClient {
  const send = async (command: { readonly input: Input }, options: unknown): Promise<Output> => {
    stamp(command.input)
    for (const { Put, Update } of command.input.TransactItems ?? []) stamp(Put ?? Update ?? {})
    const output: Output = await Reflect.apply(client.send, client, [command, options])
    if (output.Item) output.Item = upgraded(output.Item)
    if (output.Items) output.Items = output.Items.map(upgraded)
    return output
  }
  // ElectroDB calls nothing else.
  return { send } as unknown as DynamoDBDocumentClient
}

/** An update of an item that must be there changes it within its version; one that may make it says its version if it does. */
function stamp(write: Write): void {
  const { Item: item, UpdateExpression: update, ExpressionAttributeValues: values = {} } = write
  if (item) item[SCHEMA_VERSION] = schemaVersion(String(item.__edb_e__))
  if (!update || write.ConditionExpression?.includes('attribute_exists(#pk)')) return
  write.UpdateExpression = update.replace(
    'SET ',
    `SET #${SCHEMA_VERSION} = if_not_exists(#${SCHEMA_VERSION}, :${SCHEMA_VERSION}), `,
  )
  write.ExpressionAttributeNames = {
    ...write.ExpressionAttributeNames,
    [`#${SCHEMA_VERSION}`]: SCHEMA_VERSION,
  }
  write.ExpressionAttributeValues = {
    ...values,
    [`:${SCHEMA_VERSION}`]: schemaVersion(String(values[':__edb_e___u0'])),
  }
}
