import type { ITableV2 } from 'aws-cdk-lib/aws-dynamodb'
import type { IGrantable } from 'aws-cdk-lib/aws-iam'

/**
 * What the stores do with the table (core/store): a run is a collection, so that it is queried; a change is an update, alone or in a
 * transaction, which asks for the right to each of its writes. Nothing of ours scans or deletes.
 */
const ACTIONS = {
  'change-runs': ['dynamodb:Query', 'dynamodb:UpdateItem'],
  /** Besides, the team's month as it stands. */
  'reconcile-runs': ['dynamodb:Query', 'dynamodb:UpdateItem', 'dynamodb:GetItem'],
  /** Besides, new items under a key that is theirs: versions of models, measured speeds. */
  'add-items': ['dynamodb:Query', 'dynamodb:UpdateItem', 'dynamodb:PutItem'],
  /** Besides, single items: the team's month, requests, firings. */
  'start-runs': ['dynamodb:Query', 'dynamodb:UpdateItem', 'dynamodb:PutItem', 'dynamodb:GetItem'],
} as const

export function grantTable(table: ITableV2, grantee: IGrantable, right: keyof typeof ACTIONS): void {
  table.grant(grantee, ...ACTIONS[right])
  // The table's own grants leave the key out.
  table.encryptionKey?.grantEncryptDecrypt(grantee)
}
