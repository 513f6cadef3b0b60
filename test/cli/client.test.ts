import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Client } from '../../cli/client.ts'
import { RoslinError } from '../../core/errors.ts'
import { rejectionOf } from '../support/thrown.ts'

type Answer = 'broken' | { readonly status: number; readonly body: unknown }
const started: Answer = { status: 201, body: { runId: '01JD0000000000000000000000' } }
const inProgress: Answer = {
  status: 409,
  body: new RoslinError('REQUEST_IN_PROGRESS', 'It is being answered.', 'Wait.').toProblem(),
}

let answers: Answer[] = []
let keys: (string | undefined)[] = []
const server = createServer((request, response) => {
  keys.push(request.headers['idempotency-key']?.toString())
  const answer = answers.shift() ?? started
  if (answer === 'broken') request.socket.destroy()
  else response.writeHead(answer.status).end(JSON.stringify(answer.body))
})

let client: Client
beforeAll(async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  client = new Client({ team: 'demo', apiUrl: `http://127.0.0.1:${port}`, region: 'us-east-1' })
})
afterAll(() => server.close())

async function sending(...given: Answer[]) {
  answers = given
  keys = []
  return client.createRun({})
}

describe('a run that is started', () => {
  it.each<[string, Answer]>([
    ['when the connection breaks', 'broken'],
    ['while its first request is being answered', inProgress],
  ])('is asked for again under the same key %s', async (_, first) => {
    expect(await sending(first)).toMatchObject({ runId: expect.any(String) })
    expect(keys).toEqual([keys[0], keys[0]])
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('has a key of its own', async () => {
    await sending()
    const [one] = keys
    await sending()
    expect(keys[0]).not.toBe(one)
  })

  it('is given up when nobody answers', async () => {
    const error = await rejectionOf(sending('broken', 'broken', 'broken', 'broken', 'broken'))
    expect(error.code).toBe('API_UNREACHABLE')
    expect(keys).toHaveLength(4)
  })
})
