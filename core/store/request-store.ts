import { Buffer } from 'node:buffer'
import { gunzipSync, gzipSync } from 'node:zlib'
import { applied } from './conditional.ts'
import type { RoslinTable } from './table.ts'

/** A request that its sender may send again, under the key that names it. */
export interface KeyedRequest {
  readonly team: string
  readonly key: string
  /** Of its method, path and body. */
  readonly hash: string
}

/** What stays the same, however often a request is tried: the id of what it makes, and when it was first tried. */
export interface RequestIdentity {
  readonly id: string
  readonly at: string
}

export interface KeptAnswer {
  readonly status: number
  readonly body: string
}

export type Begun =
  | ({ readonly state: 'begun'; readonly lockedUntil: number } & RequestIdentity)
  | ({ readonly state: 'answered' } & KeptAnswer)
  | { readonly state: 'in-progress' }
  | { readonly state: 'reused' }

const DAY_MILLISECONDS = 24 * 3600 * 1000
/** Longer than the API's function may run: who holds the lock longer is dead. */
export const LOCK_MILLISECONDS = 35_000

/** Requests by their Idempotency-Key, and what they were answered. */
export class RequestStore {
  readonly #table: RoslinTable

  constructor(table: RoslinTable) {
    this.#table = table
  }

  /** Takes the key's lock for this request, or says why not. A request whose function died is taken over with its identity. */
  async begin(request: KeyedRequest, fresh: RequestIdentity, now: number): Promise<Begun> {
    const { team, key, hash } = request
    const lockedUntil = now + LOCK_MILLISECONDS
    const expiresAt = Math.ceil((now + DAY_MILLISECONDS) / 1000)
    const isNew = await applied(() =>
      this.#table.entities.request
        .put({ team, key, hash, ...fresh, lockedUntil, expiresAt })
        .where(
          (stored, { lt, notExists }) => `${notExists(stored.hash)} OR ${lt(stored.expiresAt, now / 1000)}`,
        )
        .go(),
    )
    if (isNew) return { state: 'begun', lockedUntil, ...fresh }
    const { data: stored } = await this.#table.entities.request.get({ team, key }).go({ consistent: true })
    if (!stored) return { state: 'in-progress' }
    if (stored.hash !== hash) return { state: 'reused' }
    if (stored.status !== undefined) return { state: 'answered', ...unpack(stored.status, stored.body) }
    const { id, at } = stored
    const isTaken = await applied(() =>
      this.#table.entities.request
        .patch({ team, key })
        .set({ lockedUntil })
        .where(
          (other, { eq, lt, notExists }) =>
            `${notExists(other.status)} AND ${eq(other.hash, hash)} AND ${lt(other.lockedUntil, now)}`,
        )
        .go(),
    )
    return isTaken ? { state: 'begun', lockedUntil, id, at } : { state: 'in-progress' }
  }

  /** Keeps the answer, unless another has taken the request over since. */
  async finish(
    { team, key }: KeyedRequest,
    lockedUntil: number,
    { status, body }: KeptAnswer,
  ): Promise<void> {
    await this.#update(team, key, lockedUntil, {
      status,
      body: gzipSync(body).toString('base64'),
    })
  }

  /** Lets it be tried again at once, as the same request. */
  async release({ team, key }: KeyedRequest, lockedUntil: number): Promise<void> {
    await this.#update(team, key, lockedUntil, { lockedUntil: 0 })
  }

  async #update(
    team: string,
    key: string,
    held: number,
    changes: { readonly status?: number; readonly body?: string; readonly lockedUntil?: number },
  ): Promise<void> {
    await applied(() =>
      this.#table.entities.request
        .patch({ team, key })
        .set(changes)
        .where(({ lockedUntil }, { eq }) => eq(lockedUntil, held))
        .go(),
    )
  }
}

function unpack(status: number, body = ''): KeptAnswer {
  return { status, body: gunzipSync(Buffer.from(body, 'base64')).toString() }
}
