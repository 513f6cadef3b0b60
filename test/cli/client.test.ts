import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { Client } from '../../cli/client.ts'
import { ERROR_STATUS, type ErrorCode, RoslinError } from '../../core/errors.ts'
import { rejectionOf } from '../support/thrown.ts'

type Answer =
  | 'broken'
  | { readonly status: number; readonly body: unknown; readonly headers?: Record<string, string> }
const started: Answer = { status: 201, body: { runId: '01JD0000000000000000000000' } }
const inProgress: Answer = {
  status: 409,
  body: new RoslinError('REQUEST_IN_PROGRESS', 'It is being answered.', 'Wait.').toProblem(),
}
const refused = (code: ErrorCode): Answer => ({
  status: ERROR_STATUS[code],
  body: new RoslinError(code, 'It is refused.', 'Do otherwise.').toProblem(),
})
/** As API Gateway and Lambda answer by themselves. */
const fault = (status: number, headers = {}): Answer => ({ status, body: { message: 'A fault' }, headers })

let answers: Answer[] = []
let keys: (string | undefined)[] = []
/** How long each answer takes, by the clock that the client reads. */
let answerSeconds = 0
const server = createServer((request, response) => {
  keys.push(request.headers['idempotency-key']?.toString())
  vi.setSystemTime(Date.now() + answerSeconds * 1000)
  const answer = answers.shift() ?? started
  if (answer === 'broken') request.socket.destroy()
  else {
    const { status, body, headers } = answer
    response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
  }
})

let client: Client
beforeAll(async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  client = new Client({ team: 'demo', apiUrl: `http://127.0.0.1:${port}`, region: 'us-east-1' })
})
afterAll(() => {
  vi.useRealTimers()
  server.close()
})
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
  answers = []
  keys = []
  answerSeconds = 0
})

async function sending(...given: Answer[]) {
  answers = given
  return client.createRun({})
}
const always = (answer: Answer) => Array.from({ length: 30 }, () => answer)

describe('a run that is started', () => {
  it.each<[string, Answer]>([
    ['when the connection breaks', 'broken'],
    ['while its first request is being answered', inProgress],
    ['when API Gateway has too much to do', fault(429)],
    ['when the function has died', fault(500)],
    ['when the function has not answered in time', fault(504)],
    ['when the API has met a fault of ours', refused('INTERNAL')],
  ])('is asked for again under the same key %s', async (_, first) => {
    expect(await sending(first)).toMatchObject({ runId: expect.any(String) })
    expect(keys).toEqual([keys[0], keys[0]])
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('has a key of its own', async () => {
    await sending()
    await sending()
    expect(keys[0]).not.toBe(keys[1])
  })

  it('is not asked for again before Retry-After', async () => {
    const begunAt = performance.now()
    await sending(fault(503, { 'retry-after': '1' }))
    expect(performance.now() - begunAt).toBeGreaterThan(900)
    const error = await rejectionOf(sending(fault(503, { 'retry-after': '60' })))
    expect([error.code, keys.length]).toEqual(['API_UNREACHABLE', 3])
  })

  it.each<[string, Answer, ErrorCode]>([
    ['nobody answers', 'broken', 'API_UNREACHABLE'],
    ['functions die', fault(500), 'API_UNREACHABLE'],
    ['the first is still being answered', inProgress, 'REQUEST_IN_PROGRESS'],
  ])(
    'is asked for longer than a dead function holds it up where %s; then it may be there',
    async (_, answer, code) => {
      answerSeconds = 12
      const error = await rejectionOf(sending(...always(answer)))
      expect(error.code).toBe(code)
      expect(error.nextStep).toContain('roslin runs list')
      expect(keys).toEqual(Array(4).fill(keys[0]))
    },
  )

  it('may be there where the API meets one fault of ours after the other, which is told within seconds', async () => {
    answerSeconds = 3
    const error = await rejectionOf(sending(...always(refused('INTERNAL'))))
    expect(error.nextStep).toContain('roslin runs list')
    expect([error.code, keys.length]).toEqual(['INTERNAL', 2])
  })

  it.each<ErrorCode>([
    'BUDGET_EXCEEDED',
    'TOO_MANY_RUNS',
    'RUN_NOT_STARTED',
    'SCHEMA_TOO_NEW',
    'HUB_UNREACHABLE',
  ])('is not asked for again where the answer is %s', async (code) => {
    const error = await rejectionOf(sending(refused(code)))
    expect(error).toMatchObject({ code, nextStep: 'Do otherwise.' })
    expect(keys).toHaveLength(1)
  })

  it('is not asked for again where the signature is refused', async () => {
    const error = await rejectionOf(sending(fault(403)))
    expect(error).toMatchObject({ code: 'API_UNREACHABLE', message: expect.stringContaining('403') })
    expect(error.nextStep).toContain('roslin doctor')
    expect(keys).toHaveLength(1)
  })

  it('cannot be there where nobody listens, which is told within seconds', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port } = closed.address() as AddressInfo
    closed.close()
    const begunAt = Date.now()
    const clock = setInterval(() => vi.setSystemTime(Date.now() + 1000), 100)
    const nobody = new Client({ ...client.target, apiUrl: `http://127.0.0.1:${port}` })
    const error = await rejectionOf(nobody.createRun({})).finally(() => clearInterval(clock))
    expect(error).toMatchObject({
      code: 'API_UNREACHABLE',
      nextStep: expect.stringContaining('roslin doctor'),
    })
    expect(Date.now() - begunAt).toBeLessThan(10_000)
  })

  it('may be there where what answers is not the API', async () => {
    const error = await rejectionOf(sending({ status: 200, body: '<html>Sign in</html>' }))
    expect(error).toMatchObject({
      code: 'API_UNREACHABLE',
      message: expect.stringContaining('<html>Sign in'),
    })
  })
})

describe('what only reads', () => {
  it('is asked for again for some seconds, without a key', async () => {
    answers = ['broken', fault(502), fault(429)]
    await client.getTeam()
    expect(keys).toEqual([undefined, undefined, undefined, undefined])
  })

  it('is given up soon, for nothing can have been done', async () => {
    answerSeconds = 2
    answers = always(fault(502))
    const error = await rejectionOf(client.getTeam())
    expect(error).toMatchObject({
      code: 'API_UNREACHABLE',
      nextStep: expect.stringContaining('roslin doctor'),
    })
    expect(keys).toHaveLength(3)
  })
})
