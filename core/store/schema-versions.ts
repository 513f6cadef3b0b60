import { RoslinError } from '../errors.ts'

/** An item as DynamoDB has it: an entity's attributes, its keys, and ElectroDB's own. */
export type Item = Readonly<Record<string, unknown>>
type Upgrade = (item: Item) => Item

/** In every item: the version of its entity's schema that it was made with. */
export const SCHEMA_VERSION = 'schemaVersion'

/** Of an item from before items had one. */
const UNVERSIONED = 1

/**
 * Of each entity the steps from one version to the next, the first from version 1; an entity without any has version 1. A step takes
 * what of that version may be stored, later changes of it by newer code included, and leaves the keys alone.
 * docs/upgrade.md says when a version is due.
 */
const UPGRADES: Readonly<Record<string, readonly Upgrade[]>> = {
  run: [runFrom1],
  attempt: [attemptFrom1],
}

/** What is written into an item of this entity that is made now. */
export function schemaVersion(entity: string): number {
  return UNVERSIONED + (UPGRADES[entity]?.length ?? 0)
}

/**
 * The item as the current code knows its entity.
 * @throws RoslinError SCHEMA_TOO_NEW for one that newer code has made
 */
export function upgraded(item: Item): Item {
  const entity = String(item.__edb_e__)
  const { [SCHEMA_VERSION]: stored = UNVERSIONED } = item
  const steps = UPGRADES[entity] ?? []
  const known = schemaVersion(entity)
  if (Number(stored) > known) throw schemaTooNew(`An item of ${entity} has schema version`, stored, known)
  return steps.slice(Number(stored) - UNVERSIONED).reduce((older, upgrade) => upgrade(older), item)
}

/** @param what with its verb: "The plan … has version" */
export function schemaTooNew(what: string, stored: unknown, known: number): RoslinError {
  return new RoslinError(
    'SCHEMA_TOO_NEW',
    `${what} ${stored}, and this version of Roslin reads up to ${known}: a newer one has written it.`,
    'Deploy the newer version again (docs/upgrade.md); what it has written is as it was.',
  )
}

/** Runs were not resumed, and had one capacity option, before they knew their executions and options. Their recipe may be inside. */
function runFrom1(item: Item): Item {
  return { execution: 0, from: 'prepare', ...(item.capacity ? { options: [item.capacity] } : {}), ...item }
}

function attemptFrom1(item: Item): Item {
  return { execution: 0, attempt: 0, option: 0, ...item }
}
