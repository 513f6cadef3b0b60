import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Route } from '../../core/api/route.ts'
import { ROUTES } from '../../core/api/routes.ts'
import { ERROR_STATUS } from '../../core/errors.ts'
import { openApiDocument } from '../../lambdas/api/openapi.ts'

/** The API in this process, with no AWS behind it: a request that got as far as a store would be answered with a 500. */
let app: typeof import('../../lambdas/api/app.ts')['app']

beforeAll(async () => {
  Object.assign(process.env, {
    TABLE_NAME: 'none',
    TEAM: 'none',
    BUCKET_NAME: 'none-bucket',
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
    AWS_MAX_ATTEMPTS: '1',
    AWS_ACCESS_KEY_ID: 'none',
    AWS_SECRET_ACCESS_KEY: 'none',
    POWERTOOLS_LOG_LEVEL: 'SILENT',
  })
  // They lie beside the function's code once it is deployed.
  vi.doMock('../../lambdas/triggers/deployed-triggers.ts', () => ({ deployedTriggers: () => [] }))
  app = (await import('../../lambdas/api/app.ts')).app
})
afterAll(() => vi.doUnmock('../../lambdas/triggers/deployed-triggers.ts'))

const RUN = '01JD0000000000000000000000'
/** Those that take a body, each with something in its path that may be there. */
const POSTS = Object.values<Route>(ROUTES)
  .filter(({ body }) => body !== null)
  .map(({ path }) => path.replace('{runId}', RUN).replace('{name}', 'baa'))
const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  app.request(path, { method: 'POST', body, headers })

/** Keys that reach into prototypes, and text that few programs expect. */
const oddText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    '\u0000',
    '\ud800',
    '\u202e',
    '../..',
    '$(id)',
  ),
)
const oddJson = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    oddText,
    fc.double(),
    fc.constantFrom(null, true, 1e308, -0, 2 ** 53),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(oddText, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
  ),
})).value
/** A body whose known fields have any values, and that has fields nobody knows. */
const oddBody = fc.oneof(
  oddJson.map((value) => JSON.stringify(value)),
  fc
    .record(
      {
        recipe: fc.oneof(oddJson, fc.record({ name: oddText, training: oddJson, evaluation: oddJson })),
        limits: oddJson,
        now: oddJson,
        from: oddJson,
        fileName: oddJson,
        bytes: oddJson,
        sha256: oddJson,
        name: oddJson,
        expression: oddJson,
        timeZone: oddJson,
        overrides: oddJson,
        source: oddJson,
        detail: oddJson,
        uri: oddJson,
        unknown: oddJson,
      },
      { requiredKeys: ['unknown'] },
    )
    .map((value) => JSON.stringify(value)),
  fc.record({ source: oddText, detail: oddJson }).map((value) => JSON.stringify(value)),
  oddText.map((uri) => JSON.stringify({ uri })),
  fc
    .record({ recipe: oddJson, overrides: oddJson })
    .map((value) => JSON.stringify({ name: 'baa', expression: 'rate(1 day)', ...value })),
  fc.string({ unit: 'binary' }),
)

async function expectRefusal(response: Response): Promise<void> {
  const text = await response.text()
  expect([response.status, text]).toEqual([
    expect.toSatisfy((status: number) => status >= 400 && status < 500),
    text,
  ])
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  expect(Object.keys(ERROR_STATUS)).toContain(JSON.parse(text).code)
  // One value of a body is shown, not all of it.
  expect(text.length).toBeLessThan(20_000)
}

describe('the API, given anything at all', () => {
  it.each(POSTS.filter((path) => path !== '/v1/recipes/validate'))('refuses it at POST %s', async (path) => {
    await fc.assert(
      fc.asyncProperty(oddBody, async (body) => {
        // Of a run, that is a request to cancel or resume it.
        fc.pre(body.trim() !== '{}')
        await expectRefusal(await post(path, body))
      }),
      { numRuns: 60 },
    )
  })

  it('says of every recipe that is none why a run would be refused', async () => {
    await fc.assert(
      fc.asyncProperty(oddJson, async (recipe) => {
        const response = await post('/v1/recipes/validate', JSON.stringify({ recipe }))
        const text = await response.text()
        expect([response.status, text]).toEqual([200, text])
        expect(JSON.parse(text)).toMatchObject({ plan: null, refusal: { code: 'RECIPE_INVALID' } })
      }),
      { numRuns: 60 },
    )
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('polluted')
  })

  it.each([
    ['nested arrays', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['nested objects', `${'{"a":'.repeat(30_000)}1${'}'.repeat(30_000)}`],
    ['a nested recipe', `{"recipe": ${'['.repeat(60_000)}${']'.repeat(60_000)}}`],
    ['brackets that never close', '['.repeat(200_000)],
    ['text that is a value', JSON.stringify({ recipe: { name: 'x'.repeat(200_000) }, bytes: 'x' })],
  ])('refuses %s as long as a body may be', async (_, body) => {
    for (const path of POSTS) await expectRefusal(await post(path, body))
  })

  it.each(POSTS)('refuses a body larger than the cap at POST %s, however it is sent', async (path) => {
    const text = JSON.stringify({ recipe: 'x'.repeat(300_000) })
    await expectRefusal(await post(path, text))
    // In pieces, of which nobody says how many there are.
    const pieces = new Blob([text]).stream()
    await expectRefusal(
      await app.request(path, { method: 'POST', body: pieces, duplex: 'half' } as RequestInit),
    )
  })

  it.each(POSTS.filter((path) => path !== '/v1/recipes/validate'))(
    'refuses fields that would reach into the prototype of all objects at POST %s',
    async (path) => {
      const reaching = `{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}`
      for (const field of ['recipe', 'overrides', 'detail', 'limits', 'unknown']) {
        const body = `{"name": "baa", "expression": "rate(1 day)", "recipe": {}, "source": "baa", "${field}": ${reaching}}`
        await expectRefusal(await post(path, body))
      }
      await expectRefusal(await post(path, `{"__proto__": ${reaching}, "constructor": ${reaching}}`))
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    },
  )

  it('refuses ids and names that are none before they reach a key or a path', async () => {
    const named = Object.values<Route>(ROUTES).filter(({ path }) => path.includes('{'))
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...named), oddText, async ({ method, path }, text) => {
        // A lone surrogate cannot be in a path at all.
        const part = encodeURIComponent(`${text}/..`.toWellFormed())
        const request = new Request(`http://none${path.replaceAll(/\{\w+\}/g, () => part)}`, {
          method: method.toUpperCase(),
          ...(method === 'post' && { body: '{}' }),
        })
        await expectRefusal(await app.request(request))
      }),
      { numRuns: 150 },
    )
  })

  it('refuses an Idempotency-Key that is none', async () => {
    for (const key of ['', 'a b', 'ü', 'x'.repeat(201)]) {
      await expectRefusal(await post('/v1/runs', '{"recipe": {}}', { 'idempotency-key': key }))
    }
  })

  it('hides what went wrong on our side', async () => {
    const response = await app.request(`/v1/runs/${RUN}`)
    expect(response.status).toBe(500)
    expect(await response.text()).not.toMatch(/127\.0\.0\.1|ECONNREFUSED|at .*\.ts/)
  })
})

describe('the OpenAPI document', () => {
  const document = openApiDocument()
  const operations = Object.values(document.paths ?? {}).flatMap((path) => Object.values(path))

  it('asks for a signature everywhere', () => {
    expect(document.openapi).toBe('3.1.0')
    expect(document.security).toEqual([{ sigv4: [] }])
    expect(operations.filter(({ security }) => security !== undefined)).toEqual([])
  })

  it('names each operation once, with its problems', () => {
    const names = operations.map(({ operationId }) => operationId)
    expect(names.sort()).toEqual(Object.keys(ROUTES).sort())
    for (const { responses } of operations) {
      expect(Object.keys(responses['400'].content)).toEqual(['application/problem+json'])
    }
  })

  it('describes a recipe as an editor checks it', () => {
    const schemas = document.components?.schemas
    expect(schemas?.Recipe).toMatchObject({ required: ['name', 'baseModel', 'dataset'] })
    expect(document.paths?.['/v1/runs']?.post?.requestBody).toMatchObject({
      content: {
        'application/json': { schema: { properties: { recipe: { $ref: '#/components/schemas/Recipe' } } } },
      },
    })
  })
})
