import { z } from 'zod'
import type { ErrorCode } from '../errors.ts'

type ObjectSchema = z.ZodObject<z.ZodRawShape>

/** One thing that the API does: what goes in, what comes out. The handler, the OpenAPI document and the client follow it. */
export interface Route<
  Params extends ObjectSchema = ObjectSchema,
  Query extends ObjectSchema = ObjectSchema,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
> {
  readonly method: 'get' | 'post' | 'delete'
  /** Parameters in braces, as OpenAPI has them. */
  readonly path: `/v1/${string}`
  readonly tag: string
  readonly summary: string
  readonly params: Params
  readonly query: Query
  /** Null where it takes none. */
  readonly body: Body | null
  readonly answer: Answer
  /** Of an answer that is no error. */
  readonly status: 200 | 201 | 202 | 204
  /** What may be wrong, beside what may be with every request. */
  readonly errors: readonly ErrorCode[]
}

const none = z.object({})
type None = typeof none

export function get<
  Answer extends z.ZodType,
  Params extends ObjectSchema = None,
  Query extends ObjectSchema = None,
>(
  path: Route['path'],
  given: {
    readonly tag: string
    readonly summary: string
    readonly answer: Answer
    readonly params?: Params
    readonly query?: Query
    readonly errors?: readonly ErrorCode[]
  },
): Route<Params, Query, z.ZodNever, Answer> {
  const {
    params = none as ObjectSchema as Params,
    query = none as ObjectSchema as Query,
    errors = [],
  } = given
  return { ...given, method: 'get', path, params, query, body: null, status: 200, errors }
}

export function post<
  Answer extends z.ZodType,
  Body extends z.ZodType = z.ZodNever,
  Params extends ObjectSchema = None,
>(
  path: Route['path'],
  given: {
    readonly tag: string
    readonly summary: string
    readonly answer: Answer
    readonly body?: Body
    readonly status?: 200 | 201 | 202
    readonly params?: Params
    readonly errors?: readonly ErrorCode[]
  },
): Route<Params, None, Body, Answer> {
  const { params = none as ObjectSchema as Params, body = null, status = 200, errors = [] } = given
  return { ...given, method: 'post', path, params, query: none, body, status, errors }
}

/** Nothing is left to say of what is gone. */
export function del<Params extends ObjectSchema>(
  path: Route['path'],
  given: {
    readonly tag: string
    readonly summary: string
    readonly params: Params
    readonly errors?: readonly ErrorCode[]
  },
): Route<Params, None, z.ZodNever, z.ZodNull> {
  const { errors = [] } = given
  return { ...given, method: 'delete', path, query: none, body: null, answer: z.null(), status: 204, errors }
}

/** Seen by all: malformed, too large, without a route, ours, or refused by API Gateway. */
export const COMMON_ERRORS = ['REQUEST_INVALID', 'INTERNAL'] as const satisfies readonly ErrorCode[]

/** Of every POST that carries a key. */
export const IDEMPOTENCY_ERRORS = [
  'IDEMPOTENCY_KEY_REUSED',
  'REQUEST_IN_PROGRESS',
] as const satisfies readonly ErrorCode[]

export const idempotencyKeySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/, '1 to 200 visible ASCII characters')
  .describe('Names this request: sent again with the same body, it has the same answer for 24 hours')
