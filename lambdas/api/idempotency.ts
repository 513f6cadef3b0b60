import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import { ulid } from 'ulid'
import { idempotencyKeySchema } from '../../core/api/route.ts'
import { RoslinError } from '../../core/errors.ts'
import type { KeyedRequest, RequestIdentity } from '../../core/store/request-store.ts'
import { requests } from '../clients.ts'
import { variable } from '../environment.ts'
import { problem } from './problem.ts'

/**
 * Answers a POST once: the same key and body have the same answer for 24 hours. What a fault of ours prevented, and what is
 * answered with when to try again, may be tried again under its key.
 */
export async function once(
  context: Context,
  answer: (request: RequestIdentity) => Promise<Response>,
): Promise<Response> {
  const fresh = identify()
  const key = context.req.header('idempotency-key')
  if (key === undefined) return answer(fresh)
  const request = { team: variable('TEAM'), key: checked(key), hash: await hashOf(context) }
  const begun = await requests.begin(request, fresh, Date.now())
  switch (begun.state) {
    case 'reused':
      throw new RoslinError(
        'IDEMPOTENCY_KEY_REUSED',
        `The Idempotency-Key ${key} was sent with another request before.`,
        'Give each request a key of its own, such as a UUID; send it again only with the same body.',
      )
    case 'in-progress':
      throw new RoslinError(
        'REQUEST_IN_PROGRESS',
        `The request with the Idempotency-Key ${key} is being answered.`,
        'Send it again in some seconds.',
      )
    case 'answered':
      return new Response(begun.body, {
        status: begun.status,
        headers: { 'content-type': typeOf(begun.status) },
      })
    case 'begun':
      return keep(request, begun.lockedUntil, await answer(begun).catch(problem))
  }
}

export function identify(): RequestIdentity {
  return { id: ulid(), at: new Date().toISOString() }
}

async function keep(request: KeyedRequest, lockedUntil: number, response: Response): Promise<Response> {
  const { status, headers } = response
  if (status >= 500 || headers.has('retry-after')) await requests.release(request, lockedUntil)
  else await requests.finish(request, lockedUntil, { status, body: await response.clone().text() })
  return response
}

function checked(key: string): string {
  const { success, error } = idempotencyKeySchema.safeParse(key)
  if (success) return key
  const message = error.issues[0]?.message ?? ''
  throw new RoslinError(
    'REQUEST_INVALID',
    'The header Idempotency-Key cannot be used.',
    `Give ${message}, such as a UUID.`,
    [{ path: 'Idempotency-Key', message }],
  )
}

async function hashOf({ req }: Context): Promise<string> {
  const parts = [req.method, req.path, await req.text()]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

function typeOf(status: number): string {
  return status < 400 ? 'application/json' : 'application/problem+json'
}
