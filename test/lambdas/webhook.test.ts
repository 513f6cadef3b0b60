import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'

const EVENT = {
  'detail-type': 'Roslin Run Status Change',
  detail: { version: 1, runId: 'RUN', summary: 'Run RUN of parrot is failed.' },
}

/** Secrets Manager, as far as the function asks it. */
let secret = ''
const posted: { url: string; body: unknown }[] = []
let status = 200
let secretsManager: Server
let handler: (event: unknown) => Promise<void>

beforeAll(async () => {
  secretsManager = createServer((_: IncomingMessage, response: ServerResponse) => {
    response.setHeader('content-type', 'application/x-amz-json-1.1')
    response.end(JSON.stringify({ SecretString: secret }))
  })
  await new Promise<void>((resolve) => secretsManager.listen(0, '127.0.0.1', resolve))
  const { port } = secretsManager.address() as AddressInfo
  vi.stubEnv('AWS_ENDPOINT_URL_SECRETS_MANAGER', `http://127.0.0.1:${port}`)
  vi.stubEnv('AWS_REGION', 'us-east-1')
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test')
  vi.stubEnv('WEBHOOK_SECRET_NAME', 'roslin/webhook')
  // A webhook is https only, and a test has no certificate that everybody trusts.
  vi.stubGlobal('fetch', async (url: string, { body }: { body: string }) => {
    posted.push({ url, body: JSON.parse(body) })
    return new Response(null, { status })
  })
  handler = (await import('../../lambdas/events/webhook.ts')).handler
})

beforeEach(() => {
  posted.length = 0
  status = 200
  secret = 'https://hooks.example.com/services/T/B/secret\n'
})

afterAll(() => {
  vi.unstubAllEnvs()
  vi.unstubAllGlobals()
  secretsManager.close()
})

describe("the team's webhook", () => {
  it('is posted the sentence for people, and the whole event', async () => {
    await handler(EVENT)
    expect(posted).toEqual([
      {
        url: 'https://hooks.example.com/services/T/B/secret',
        body: { text: EVENT.detail.summary, detailType: EVENT['detail-type'], detail: EVENT.detail },
      },
    ])
  })

  it('is read anew each time, so that a replaced URL is used at once', async () => {
    await handler(EVENT)
    secret = 'https://hooks.example.com/other'
    await handler(EVENT)
    expect(posted.map(({ url }) => url).at(-1)).toBe('https://hooks.example.com/other')
  })

  it('that refuses fails the function, so that Lambda tries again; its URL is not in the error', async () => {
    status = 500
    await expect(handler(EVENT)).rejects.toThrow('the webhook answered 500')
  })

  it.each(['http://hooks.example.com/', 'not a URL', ''])(
    'is posted nothing where the secret is %j',
    async (text) => {
      secret = text
      await expect(handler(EVENT)).rejects.toThrow('no https:// URL')
      expect(posted).toEqual([])
    },
  )
})
