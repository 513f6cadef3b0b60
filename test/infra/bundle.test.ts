import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { bundledLibraries, bundleOf } from '../../infra/bundle.ts'
import { defaultProvider } from '../../infra/bundling/environment-credentials.ts'
import { HANDLERS } from '../../infra/bundling/handlers.ts'
import { librariesOf } from '../../infra/bundling/plugins.ts'
import { openApiDocument } from '../../lambdas/api/openapi.ts'

const MAX_BYTES = 400_000
/** All libraries at once: one upload a version, and a function reads but its share of them. */
const MAX_LIBRARIES_BYTES = 1_200_000

const codeOf = (entry: string) => join(bundleOf(entry), 'index.mjs')
const modules = () => join(bundledLibraries(), 'nodejs/node_modules')
const textOf = (entry: string) => readFileSync(codeOf(entry), 'utf8')

describe('the bundle of a function', () => {
  it.each(HANDLERS)('%s is 400 kB at most', (entry) => {
    expect(statSync(codeOf(entry)).size).toBeLessThanOrEqual(MAX_BYTES)
  })

  it('speaks English only: the languages of zod stay behind', () => {
    expect(textOf('api/handler.ts')).not.toMatch(/erwartet|attendu/)
  })

  it('needs the layer, Node.js and nothing else', () => {
    const needed = HANDLERS.flatMap((entry) => Object.keys(librariesOf([textOf(entry)])))
    const there = readdirSync(modules(), { recursive: true, encoding: 'utf8' })
    expect(needed).toContain('electrodb')
    expect(needed.filter((name) => !builtinModules.includes(name) && !there.includes(name))).toEqual([])
  })

  it('loads as Lambda lays it out, and gives a handler', () => {
    const folder = mkdtempSync(join(tmpdir(), 'roslin-bundles-'))
    symlinkSync(modules(), join(folder, 'node_modules'))
    for (const entry of HANDLERS) cpSync(bundleOf(entry), join(folder, entry), { recursive: true })
    const files = HANDLERS.map((entry) => `./${entry}/index.mjs`)
    const script = `for (const file of ${JSON.stringify(files)}) console.log(typeof (await import(file)).handler)`
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: folder,
      encoding: 'utf8',
      env: { TABLE_NAME: 'table', TEAM: 'team', AWS_REGION: 'us-east-1' },
    })
    expect(said.trim().split('\n')).toEqual(HANDLERS.map(() => 'function'))
  })

  it("has the API's document beside it, as its source makes it", () => {
    const file = join(bundleOf('api/handler.ts'), 'openapi.json')
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(JSON.stringify(openApiDocument())))
  })
})

describe('the layer of libraries', () => {
  it('is small', () => {
    const sizes = readdirSync(modules(), { recursive: true, encoding: 'utf8' }).map(
      (name) => statSync(join(modules(), name)).size,
    )
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(MAX_LIBRARIES_BYTES)
  })

  const before = { ...process.env }
  afterEach(() => {
    process.env = { ...before }
  })

  it("takes credentials from the function's environment, where Lambda puts them", async () => {
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_SESSION_TOKEN: 'token',
    })
    expect(await defaultProvider()()).toMatchObject({
      accessKeyId: 'key',
      secretAccessKey: 'secret',
      sessionToken: 'token',
    })
  })

  it('and looks for none elsewhere', async () => {
    delete process.env.AWS_ACCESS_KEY_ID
    process.env.AWS_PROFILE = 'somebody'
    await expect(defaultProvider()()).rejects.toThrow('environment variable credentials')
  })
})
