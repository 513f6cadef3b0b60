/** What was looked at, and how it stands. */
export interface Check {
  readonly check: string
  /** Null where it could not be seen: access was denied, or a service was not reached. */
  readonly ok: boolean | null
  readonly detail: string
  readonly fix?: string
}

export type Verdict = Omit<Check, 'check'>

/** A look that fails says only that nobody knows: a doctor without a right is no illness. */
export async function looked(check: string, look: () => Promise<Verdict>): Promise<Check> {
  try {
    return { check, ...(await look()) }
  } catch (error) {
    const { name, message } = error as Error
    return { check, ok: null, detail: `could not be checked: ${name}: ${message}` }
  }
}
