import { z } from 'zod'
import { RoslinError } from '../../core/errors.ts'

/** Where a page ended, as text that means nothing to its reader. */
export function encodeCursor(position: string | number | null): string | null {
  return position === null ? null : Buffer.from(String(position)).toString('base64url')
}

/** @throws RoslinError REQUEST_INVALID for one that no page of ours has ended with. */
export function decodeCursor<T>(cursor: string | undefined, position: z.ZodType<T>): T | null {
  if (cursor === undefined) return null
  const { success, data } = position.safeParse(Buffer.from(cursor, 'base64url').toString())
  if (success) return data
  throw new RoslinError(
    'REQUEST_INVALID',
    'The cursor is none that a page has given.',
    'Leave it out to read from the start.',
    [{ path: 'cursor', message: 'cannot be read' }],
  )
}

export const runPosition = z.ulid()
export const versionPosition = z.coerce.number().int().min(1).max(99_999_999)
