import { expect } from 'vitest'
import { type ErrorCode, RoslinError } from '../../core/errors.ts'

/** The error that the work ends with; the test fails where it ends well, or with an error not meant for people. */
export function thrownBy(work: () => unknown): RoslinError {
  try {
    work()
  } catch (error) {
    return roslinError(error)
  }
  throw new Error('nothing was thrown')
}

export async function rejectionOf(work: Promise<unknown>): Promise<RoslinError> {
  const settled = await work.then(
    () => undefined,
    (error: unknown) => ({ error }),
  )
  if (!settled) throw new Error('nothing was thrown')
  return roslinError(settled.error)
}

function roslinError(error: unknown): RoslinError {
  if (error instanceof RoslinError) return error
  throw error
}

/** The places of the input that the error names. */
export function pathsOf(error: RoslinError, code: ErrorCode): string[] {
  expect(error.code).toBe(code)
  return error.issues.map(({ path }) => path)
}
