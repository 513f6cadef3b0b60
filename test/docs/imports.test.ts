import { globSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../support/checked-in.ts'

/** Room → the other rooms it may look into. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  lambdas: ['core'],
  infra: ['core'],
  local: ['core'],
  cli: ['core', 'local'],
}

/** Packages that belong to one side: the domain knows neither AWS's services nor a framework. */
const CORE_PACKAGES = [
  'zod',
  '@huggingface/tokenizers',
  'jsonc-parser',
  'croner',
  'electrodb',
  '@aws-sdk/lib-dynamodb',
  'hyparquet',
  'hyparquet-compressors/src/lz4.js',
  'node:buffer',
  'node:crypto',
  'node:timers/promises',
  'node:zlib',
]

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const statements = /^(?:import|export|\}).*?\bfrom '([^'\n]+)'|\bimport\(?\s*'([^'\n]+)'/gm
  return [...text.matchAll(statements)].map(([, from, alone]) => from ?? alone ?? '')
}

const filesOf = (room: string) => globSync(`${room}/**/*.{ts,mjs}`, { cwd: root })

describe('imports point one way', () => {
  it.each(Object.entries(MAY_IMPORT))('%s looks only into %j', (room, allowed) => {
    const files = filesOf(room)
    expect(files.length).toBeGreaterThan(0)
    const wrong = files.flatMap((file) =>
      importsOf(file)
        .filter((name) => name.startsWith('.'))
        .map((name) => posix.normalize(posix.join(posix.dirname(file), name)))
        .filter((target) => ![room, ...allowed].includes(target.split('/')[0] ?? ''))
        // The version in package.json belongs to all.
        .filter((target) => target !== 'package.json')
        .map((target) => `${file} → ${target}`),
    )
    expect(wrong).toEqual([])
  })

  it('and the domain depends on no service and no framework', () => {
    const packages = filesOf('core').flatMap((file) =>
      importsOf(file)
        .filter((name) => !name.startsWith('.'))
        .filter((name) => !CORE_PACKAGES.includes(name))
        .map((name) => `${file} → ${name}`),
    )
    expect(packages).toEqual([])
  })

  it('and what a fresh clone runs first needs nothing installed', () => {
    const first = ['local/bootstrap.mjs', 'local/prerequisites.mjs']
    const needed = first.flatMap(importsOf).filter((name) => !name.startsWith('node:'))
    expect(needed).toEqual(['./prerequisites.mjs'])
  })

  it('infra/app.ts alone reads the environment and the context', () => {
    const readers = filesOf('infra').filter((file) =>
      /process\.env|tryGetContext/.test(readFileSync(join(root, file), 'utf8')),
    )
    expect(readers).toEqual(['infra/app.ts'])
  })
})
