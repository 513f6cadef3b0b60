import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb'
import { CustomAttributeType, Entity } from 'electrodb'
import { FIRING_STATUSES, type FiringStatus } from '../firing.ts'
import type { Recipe } from '../recipe.ts'
import type { StartedBy } from '../started-by.ts'
import { SERVICE, TABLE_KEYS } from './keys.ts'

const { pk, sk, open } = TABLE_KEYS

/** Each occasion on which a schedule or a trigger wanted a run. */
export function firingEntity(at: { readonly client: DynamoDBDocumentClient; readonly table: string }) {
  return new Entity(
    {
      model: { entity: 'firing', version: '1', service: SERVICE },
      attributes: {
        team: { type: 'string', required: true },
        origin: { type: 'string', required: true },
        key: { type: 'string', required: true },
        status: { type: FIRING_STATUSES as unknown as FiringStatus[], required: true },
        at: { type: 'string', required: true },
        startedBy: { type: CustomAttributeType<StartedBy>('any'), required: true },
        runId: { type: 'string' },
        note: { type: 'string' },
        code: { type: 'string' },
        sameAs: { type: 'string' },
        after: { type: 'string' },
        dueAt: { type: 'string' },
        /** What is to be started, until it is decided. */
        recipe: { type: CustomAttributeType<Recipe>('any') },
        whenUnchanged: { type: ['skip', 'run'] as const },
        overlap: { type: ['skip', 'queue', 'cancel-previous'] as const },
        /** Of a trigger: the newest of its occasions, as it sorts. */
        subject: { type: 'string' },
        /** The team, for as long as it is not decided. */
        openTeam: { type: 'string', hidden: true },
      },
      indexes: {
        byOrigin: { pk: { field: pk, composite: ['team', 'origin'] }, sk: { field: sk, composite: ['key'] } },
        open: {
          index: open.index,
          pk: { field: open.pk, composite: ['openTeam'] },
          sk: { field: open.sk, composite: ['origin', 'key'] },
        },
      },
    },
    at,
  )
}
