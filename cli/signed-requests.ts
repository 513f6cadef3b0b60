import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Sha256 } from '@aws-crypto/sha256-js'
import { fromNodeProviderChain } from '@aws-sdk/credential-providers'
import { HttpRequest } from '@smithy/protocol-http'
import { SignatureV4 } from '@smithy/signature-v4'
import { type ErrorCode, RoslinError } from '../core/errors.ts'
import { hint } from './hint.ts'
import type { Target } from './target.ts'

export type Query = Readonly<Record<string, string | undefined>>

/** How long a request is sent again. */
const PATIENCE_MILLISECONDS = 5000
/**
 * And a POST that may have arrived: with its key it is answered once, however often it is sent. Longer than the 35 seconds
 * after which the API lets another take the place of a function that died.
 */
const POST_PATIENCE_MILLISECONDS = 45_000
const FIRST_WAIT_MILLISECONDS = 200
const LONGEST_WAIT_MILLISECONDS = 2000

/** Of the API's own errors, those that pass within that time; the others are answers. */
const PASSING: readonly ErrorCode[] = ['REQUEST_IN_PROGRESS', 'INTERNAL']
/** There was no connection, so nothing can have been done. */
const NOT_CONNECTED = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT']

const LOOK_FOR_REASON = '`npx roslin doctor` looks for the reason.'

/** A request that may be answered when it is sent again. */
interface Miss {
  readonly error: RoslinError
  readonly mayBeDone: boolean
  readonly retryAfterMilliseconds: number
}

/** Requests to a deployment's API, signed, and sent again where that may help. */
export class SignedRequests {
  readonly #target: Target
  readonly #signer: SignatureV4

  constructor(target: Target) {
    this.#target = target
    this.#signer = new SignatureV4({
      service: 'execute-api',
      region: target.region,
      credentials: fromNodeProviderChain(),
      sha256: Sha256,
    })
  }

  /** @throws RoslinError as the API answered it, or API_UNREACHABLE. */
  async send<T>(method: string, path: string, body?: unknown, given: Query = {}): Promise<T> {
    const query = Object.fromEntries(
      Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined),
    )
    const base = new URL(this.#target.apiUrl)
    const url = new URL(`${base.pathname.replace(/\/$/, '')}${path}`, base)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    const request = new HttpRequest({
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      ...(url.port && { port: Number(url.port) }),
      path: url.pathname,
      query,
      headers: {
        host: url.host,
        ...(method === 'POST' && { 'idempotency-key': randomUUID() }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return this.#answered<T>(url, request)
  }

  /** Sends it until it is answered, as long as that may help. */
  async #answered<T>(url: URL, request: HttpRequest): Promise<T> {
    const begunAt = Date.now()
    let mayBeDone = false
    for (let wait = FIRST_WAIT_MILLISECONDS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MILLISECONDS)) {
      const outcome = await this.#attempt<T>(url, request)
      if ('answer' in outcome) return outcome.answer
      const { error, retryAfterMilliseconds } = outcome
      mayBeDone ||= request.method === 'POST' && outcome.mayBeDone
      const pause = Math.max(wait, retryAfterMilliseconds)
      // A fault of ours is an answer: nobody holds the request up.
      const isHeldUp = mayBeDone && error.code !== 'INTERNAL'
      const patience = isHeldUp ? POST_PATIENCE_MILLISECONDS : PATIENCE_MILLISECONDS
      if (Date.now() + pause > begunAt + patience) {
        throw mayBeDone ? new RoslinError(error.code, error.message, this.#lookFirst()) : error
      }
      await sleep(pause)
    }
  }

  /** @throws RoslinError where sending it again would change nothing */
  async #attempt<T>(url: URL, request: HttpRequest): Promise<{ readonly answer: T } | Miss> {
    const { method, body } = request
    const { headers } = await this.#signer.sign(request).catch((error: Error) => {
      throw this.#unreachable(error.message)
    })
    let response: Response
    let text: string
    try {
      response = await fetch(url, { method, headers, ...(body && { body }) })
      text = await response.text()
    } catch (error) {
      const { message, cause } = error as Error & { cause?: NodeJS.ErrnoException }
      return {
        error: this.#unreachable(cause?.message || cause?.code || message),
        mayBeDone: !NOT_CONNECTED.includes(cause?.code ?? ''),
        retryAfterMilliseconds: 0,
      }
    }
    const said = `it answered ${response.status}: ${text.slice(0, 200)}`
    if (response.ok) {
      try {
        // Nothing is left to say of what was deleted.
        return { answer: JSON.parse(text || 'null') }
      } catch {
        throw this.#unreachable(
          `${said}, which is no JSON`,
          method === 'POST' ? this.#lookFirst() : LOOK_FOR_REASON,
        )
      }
    }
    const known = RoslinError.parse(text)
    const error = known ?? this.#unreachable(said)
    const passes = known ? PASSING.includes(known.code) : response.status === 429 || response.status >= 500
    if (!passes) throw error
    const retryAfterMilliseconds = Number(response.headers.get('retry-after')) * 1000 || 0
    return { error, mayBeDone: response.status !== 429, retryAfterMilliseconds }
  }

  #lookFirst(): string {
    const look = hint('runs list', this.#target.flags)
    return `What was asked for may have been done all the same: look (\`${look}\`) before you ask for it again.`
  }

  #unreachable(why: string, nextStep = LOOK_FOR_REASON): RoslinError {
    return new RoslinError(
      'API_UNREACHABLE',
      `The API of team ${this.#target.team} at ${this.#target.apiUrl} could not be used: ${why}.`,
      nextStep,
    )
  }
}
