/** The key attributes of the table; infra/ makes the table from these. */
export const TABLE_KEYS = {
  pk: 'pk',
  sk: 'sk',
  byTeam: { index: 'gsi1', pk: 'gsi1pk', sk: 'gsi1sk' },
  /** Holds only the runs that the reconciler must look at: it is as small as the work it makes. */
  open: { index: 'gsi2', pk: 'gsi2pk', sk: 'gsi2sk' },
} as const

export const SERVICE = 'roslin'
