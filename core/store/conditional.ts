import { ElectroError } from 'electrodb'

/** Runs a conditional write: false when its condition did not hold. */
export async function applied(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write()
    return true
  } catch (error) {
    if (isConditionFailure(error)) return false
    throw error
  }
}

function isConditionFailure(error: unknown): boolean {
  const cause = error instanceof ElectroError ? error.cause : error
  return cause instanceof Error && cause.name === 'ConditionalCheckFailedException'
}
