import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ERROR_STATUS } from '../../core/errors.ts'
import { EXIT_CODES } from '../../core/exit-codes.ts'
import { schemaFiles } from '../../docs/reference/generate.ts'
import { root } from '../support/checked-in.ts'

const read = (file: string) => readFileSync(join(root, file), 'utf8')
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()

describe('the JSON Schemas for editors', () => {
  it.each(Object.keys(schemaFiles()))('%s is what `npm run schemas` makes', (name) => {
    expect(read(`docs/reference/${name}`)).toBe(schemaFiles()[name])
  })

  it.each(globSync(['recipes/*.yaml', 'teams/*.yaml'], { cwd: root }))(
    '%s names its schema in its first line',
    (file) => {
      const [folder] = file.split('/')
      const schema = folder === 'recipes' ? 'recipe' : 'team'
      expect(read(file).split('\n')[0]).toBe(
        `# yaml-language-server: $schema=../docs/reference/${schema}.schema.json`,
      )
    },
  )
})

describe('docs/troubleshooting.md', () => {
  const headings = [...read('docs/troubleshooting.md').matchAll(/^### (\S+)$/gm)].map(([, code]) => code)
  const classes = [...read('core/failure.ts').matchAll(/\bclass: '([\w-]+)'/g)].map(([, name = '']) => name)

  it.each(Object.keys(ERROR_STATUS))('explains %s', (code) => {
    expect(headings).toContain(code)
  })

  it.each([...new Set(classes)].map((name) => name.toUpperCase().replaceAll('-', '_')))(
    'explains the failure class %s',
    (code) => {
      expect(headings).toContain(code)
    },
  )

  it.each(['STEP_TIMEOUT', 'EXECUTION_FAILED', 'EXECUTION_TIMED_OUT', 'EXECUTION_ABORTED'])(
    'explains %s',
    (code) => {
      expect(headings).toContain(code)
    },
  )

  it('has each heading once', () => {
    expect(headings).toEqual([...new Set(headings)])
  })
})

describe('an error code', () => {
  const sources = globSync('{core,lambdas,cli,local,infra}/**/*.{ts,mjs}', { cwd: root })
    .filter((file) => file !== 'core/errors.ts')
    .map(read)
    .join('\n')

  it.each(Object.keys(ERROR_STATUS))('%s is one that somebody can meet', (code) => {
    expect(sources).toContain(code)
  })
})

describe("the container contract's exit codes", () => {
  const expected = Object.fromEntries(Object.entries(EXIT_CODES).map(([name, code]) => [snake(name), code]))

  it("are the trainer's", () => {
    const python = read('containers/trainer/src/roslin_trainer/exit_codes.py')
    const codes = [...python.matchAll(/^ {4}([A-Z_]+) = (\d+)$/gm)].map(([, name, code]) => [
      name,
      Number(code),
    ])
    expect(Object.fromEntries(codes)).toEqual(expected)
  })

  it('are the table of docs/container-contract.md', () => {
    const rows = [...read('docs/container-contract.md').matchAll(/^\|\s*`?(\d+)`?\s*\|/gm)]
    expect(rows.map(([, code]) => Number(code)).sort((a, b) => a - b)).toEqual(
      Object.values(EXIT_CODES).sort((a, b) => a - b),
    )
  })
})

describe('the documentation', () => {
  const pages = globSync(['*.md', 'docs/**/*.md'], { cwd: root })

  it.each(pages)('%s links to pages that are there', (page) => {
    const links = [...read(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, link = '']) => link)
    const missing = links.filter((link) => globSync(join(root, page, '..', link)).length === 0)
    expect(missing).toEqual([])
  })

  it.each(pages)('%s names files that are there', (page) => {
    const named = [
      ...read(page).matchAll(
        /`((?:core|infra|lambdas|cli|local|containers|recipes|teams|docs|test|bench)\/[\w./-]+\.\w+)`/g,
      ),
    ].map(([, file = '']) => file)
    // A person's own files are named like ours.
    const missing = named.filter((file) => globSync(file, { cwd: root }).length === 0)
    expect(missing).toEqual([])
  })
})
