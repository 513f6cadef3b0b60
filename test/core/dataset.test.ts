import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_DATASET_BYTES } from '../../core/data-file.ts'
import { checkDataset, checkedRows } from '../../core/dataset.ts'
import type { Recipe } from '../../core/recipe.ts'
import { root } from '../support/checked-in.ts'
import { pathsOf, rejectionOf } from '../support/thrown.ts'

interface Case {
  readonly name: string
  /** Or the text itself. */
  readonly file?: string
  readonly text?: string
  readonly asked?: Recipe['dataset']['format']
  /** Of a good file. */
  readonly format?: string
  readonly rows?: number
  /** How many of them are left out; none where it is not said. */
  readonly withoutResponse?: number
  /** The places of a bad one; none where the whole file is no good. */
  readonly wrong?: readonly string[]
}

const folder = join(root, 'test/fixtures/datasets')
// test_dataset.py of the trainer runs through the same.
const cases: Case[] = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8'))

const bytesOf = ({ file, text = '' }: Case) => (file ? readFileSync(join(folder, file)) : Buffer.from(text))
const check = (text: string | Uint8Array, name = 'rows.json') => checkDataset(Buffer.from(text), name, 'auto')

const row = (instruction: string, output = 'Baa.') => ({ instruction, input: '', output })
const good = row('Say it.')
const refusal = (text: string | Uint8Array) => rejectionOf(check(text))

describe('the verdict of the trainer and ours', () => {
  it.each(cases.filter(({ rows }) => rows))('takes $name', async (one) => {
    const facts = await checkDataset(bytesOf(one), one.name, one.asked ?? 'auto')
    expect(facts).toEqual({ rows: one.rows, format: one.format })
    const { rowsWithoutResponse } = await checkedRows(bytesOf(one), one.name, one.asked ?? 'auto')
    expect(rowsWithoutResponse).toBe(one.withoutResponse ?? 0)
  })

  it.each(cases.filter(({ wrong }) => wrong))('refuses $name, at its lines', async (one) => {
    const error = await rejectionOf(checkDataset(bytesOf(one), one.name, one.asked ?? 'auto'))
    expect(pathsOf(error, 'DATASET_INVALID')).toEqual(one.wrong)
    expect(error.message).toContain(`The data file ${one.name}`)
  })
})

describe('a data file', () => {
  it.each(['', ' \n\t\n', '\uFEFF'])('is refused when it is empty: %j', async (text) => {
    const error = await refusal(text)
    expect(error.code).toBe('DATASET_INVALID')
    expect(error.message).toBe('The data file rows.json is empty.')
  })

  it('is refused when it has no rows', async () => {
    expect((await refusal('[]')).message).toBe('The data file rows.json has no rows.')
  })

  it('keeps the rows that have a response', async () => {
    const rows = Buffer.from(JSON.stringify([row('One', ''), good, row('Two', ' \n')]))
    expect(await checkedRows(rows, 'rows.json', 'auto')).toEqual({
      values: [good],
      rowsWithoutResponse: 2,
      format: 'alpaca',
    })
  })

  it('is refused when no row has a response', async () => {
    const error = await refusal(JSON.stringify([row('One', ''), row('Two', '  ')]))
    expect(error.message).toBe(
      'The data file rows.json, read as alpaca, has no row to train on: a response is blank in each of its rows, 2 in all.',
    )
    expect(error.nextStep).toContain('Give rows that have a response')
  })

  it('is refused when it unpacks to more than fits', async () => {
    const bomb = gzipSync(Buffer.alloc(MAX_DATASET_BYTES + 1, 32), { level: 1 })
    expect((await refusal(bomb)).message).toBe(
      'The data file rows.json has more than 268435456 unpacked bytes; at most 268435456 are taken, unpacked.',
    )
  })

  it('is refused when it was cut, gzipped or as Parquet', async () => {
    expect((await refusal(gzipSync('{}').subarray(0, 12))).message).toMatch(/is damaged gzip: /)
    expect((await refusal('PAR1 and no more')).message).toMatch(/is damaged Parquet: /)
  })

  it('names the line that is not JSON, in JSON Lines', async () => {
    const error = await refusal(
      [JSON.stringify(good), '{"instruction": "cut', JSON.stringify(good)].join('\n'),
    )
    expect(pathsOf(error, 'DATASET_INVALID')).toEqual(['line 2'])
    expect(error.issues[0]?.message).toMatch(/^is not JSON: /)
    expect(error.message).toBe('The data file rows.json, read as alpaca, has 1 wrong row.')
  })

  it('names the line where an array stops being JSON', async () => {
    const text = `[\n  ${JSON.stringify(good)},\n  {"instruction": "Two" "output": "x"},\n  ${JSON.stringify(good)}\n]`
    const error = await refusal(text)
    expect(pathsOf(error, 'DATASET_INVALID')).toEqual(['line 3'])
    expect(error.issues[0]?.message).toMatch(/^is not JSON: /)
  })

  it.each([
    ['cut in the middle', `[\n  ${JSON.stringify(good)},\n  {"instruction": "Two"`, 'line 3'],
    ['with a comma too many', `[\n  ${JSON.stringify(good)},\n]`, 'line 3'],
    ['with a comment', `[\n  // mine\n  ${JSON.stringify(good)}\n]`, 'line 2'],
  ])('names the line of an array %s', async (_, text, line) => {
    expect(pathsOf(await refusal(text), 'DATASET_INVALID')).toEqual([line])
  })

  const wrongRows: [string, unknown, string][] = [
    ['without an output', { instruction: 'Two' }, 'output: '],
    ['with null for its output', { instruction: 'Two', output: null }, 'output: '],
    ['with an empty instruction', row(''), 'instruction: must not be empty'],
    ['with a number for its output', { instruction: 'Two', output: 4 }, 'output: '],
    ['with an input that is no text', { instruction: 'Two', output: 'x', input: 4 }, 'input: '],
    ['that is no object', 'Two', 'row: '],
    ['that is a list', [1], 'row: '],
    ['that is null', null, 'row: '],
  ]

  it.each(wrongRows)(
    'names the line of a row %s, in an array and in JSON Lines',
    async (_, wrong, message) => {
      const rows = [good, wrong, good].map((value) => JSON.stringify(value))
      for (const text of [`[\n${rows.join(',\n')}\n]`, `\n${rows.join('\n')}`]) {
        const error = await refusal(text)
        expect(pathsOf(error, 'DATASET_INVALID')).toEqual(['line 3'])
        expect(error.issues[0]?.message).toContain(message)
      }
    },
  )

  it('names the line of the field itself in an array laid out over several lines', async () => {
    const text = '[\n  {\n    "output": "One",\n    "instruction": ""\n  }\n]'
    expect(pathsOf(await refusal(text), 'DATASET_INVALID')).toEqual(['line 4'])
  })

  it('counts all wrong lines and lists the first ten', async () => {
    const error = await refusal(Array(25).fill('{}').join('\n'))
    expect(error.message).toContain('has 25 wrong rows; the first 10 are listed')
    expect(pathsOf(error, 'DATASET_INVALID')).toEqual(
      Array.from({ length: 10 }, (_, index) => `line ${index + 1}`),
    )
  })

  it('counts rows alike in both forms, and finds a broken one at its line, whatever the texts hold', async () => {
    const text = fc.string({ minLength: 1, unit: 'grapheme' }).filter((value) => value.trim() !== '')
    const rowsOf = fc.array(fc.record({ instruction: text, output: text }), { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(rowsOf, fc.nat(), async (rows, chosen) => {
        const lines = rows.map((value) => JSON.stringify(value))
        const facts = { rows: rows.length, format: 'alpaca' }
        expect(await check(`[${lines.join(',\n')}]`)).toEqual(facts)
        expect(await check(lines.join('\n'))).toEqual(facts)
        const broken = chosen % rows.length
        const withHole = lines.with(broken, '{"instruction": "a"}')
        for (const broke of [`[${withHole.join(',\n')}]`, withHole.join('\n')]) {
          expect(pathsOf(await refusal(broke), 'DATASET_INVALID')).toEqual([`line ${broken + 1}`])
        }
      }),
      { numRuns: 100 },
    )
  })
})
