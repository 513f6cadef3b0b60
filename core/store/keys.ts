export const SERVICE = 'roslin'

/** The key attributes of the table; infra/ makes the table from these. */
export const TABLE_KEYS = {
  pk: 'pk',
  sk: 'sk',
  /** When DynamoDB may throw an item away; epoch seconds. */
  expiresAt: 'expiresAt',
  byTeam: { index: 'gsi1', pk: 'gsi1pk', sk: 'gsi1sk' },
  /** Holds only the runs that the reconciler must look at: it is as small as the work it makes. */
  open: { index: 'gsi2', pk: 'gsi2pk', sk: 'gsi2sk' },
  byRecipe: { index: 'gsi3', pk: 'gsi3pk', sk: 'gsi3sk' },
  /** Holds ended runs only: a run is moved in it once, not with each status. */
  byOutcome: { index: 'gsi4', pk: 'gsi4pk', sk: 'gsi4sk' },
  /** Holds only the runs that have made a model. */
  byModel: { index: 'gsi5', pk: 'gsi5pk', sk: 'gsi5sk' },
} as const

/** The indexes of runs, by the name that is given to each. */
export const INDEXES = [
  TABLE_KEYS.byTeam,
  TABLE_KEYS.open,
  TABLE_KEYS.byRecipe,
  TABLE_KEYS.byOutcome,
  TABLE_KEYS.byModel,
] as const
