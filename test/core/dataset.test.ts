import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkDataset } from '../../core/dataset.ts'
import { pathsOf, thrownBy } from '../support/thrown.ts'

const row = (instruction: string, output = 'Baa.') => ({ instruction, input: '', output })
const good = row('Say it.')
const refusal = (text: string) => thrownBy(() => checkDataset(text, 'rows.json'))

describe('a data file', () => {
  it('is a JSON array or JSON Lines, with blank lines or without', () => {
    const rows = [row('One'), row('Two'), { instruction: 'No input', output: 'Fine.' }]
    const lines = rows.map((value) => JSON.stringify(value))
    expect(checkDataset(JSON.stringify(rows), 'rows.json')).toEqual({ rows: 3 })
    expect(checkDataset(JSON.stringify(rows, null, 2), 'rows.json')).toEqual({ rows: 3 })
    expect(checkDataset(lines.join('\n'), 'rows.jsonl')).toEqual({ rows: 3 })
    expect(checkDataset(`${lines.join('\r\n\r\n')}\r\n`, 'rows.jsonl')).toEqual({ rows: 3 })
  })

  it('may begin with a byte order mark, and have fields that are not ours', () => {
    expect(checkDataset(`\uFEFF${JSON.stringify([good])}`, 'rows.json')).toEqual({ rows: 1 })
    expect(checkDataset(`\uFEFF${JSON.stringify({ ...good, source: 'us' })}`, 'rows.jsonl')).toEqual({
      rows: 1,
    })
  })

  it.each(['', ' \n\t\n', '\uFEFF'])('is refused when it is empty: %j', (text) => {
    const error = refusal(text)
    expect(error.code).toBe('DATASET_INVALID')
    expect(error.message).toBe('The data file rows.json is empty.')
  })

  it('is refused when it has no rows', () => {
    expect(refusal('[]').message).toBe('The data file rows.json has no rows.')
  })

  it('names the line that is not JSON, in JSON Lines', () => {
    const error = refusal([JSON.stringify(good), '{"instruction": "cut', JSON.stringify(good)].join('\n'))
    expect(pathsOf(error, 'DATASET_INVALID')).toEqual(['line 2'])
    expect(error.issues[0]?.message).toMatch(/^is not JSON: /)
    expect(error.message).toBe('The data file rows.json has 1 wrong line.')
  })

  it('names the line where an array stops being JSON', () => {
    const text = `[\n  ${JSON.stringify(good)},\n  {"instruction": "Two" "output": "x"},\n  ${JSON.stringify(good)}\n]`
    const error = refusal(text)
    expect(pathsOf(error, 'DATASET_INVALID')).toEqual(['line 3'])
    expect(error.issues[0]?.message).toMatch(/^is not JSON: /)
  })

  it.each([
    ['cut in the middle', `[\n  ${JSON.stringify(good)},\n  {"instruction": "Two"`, 'line 3'],
    ['with a comma too many', `[\n  ${JSON.stringify(good)},\n]`, 'line 3'],
    ['with a comment', `[\n  // mine\n  ${JSON.stringify(good)}\n]`, 'line 2'],
  ])('names the line of an array %s', (_, text, line) => {
    expect(pathsOf(refusal(text), 'DATASET_INVALID')).toEqual([line])
  })

  const wrongRows: [string, unknown, string][] = [
    ['without an output', { instruction: 'Two' }, 'output: '],
    ['with an empty output', row('Two', '  '), 'output: must not be empty'],
    ['with an empty instruction', row(''), 'instruction: must not be empty'],
    ['with a number for its output', { instruction: 'Two', output: 4 }, 'output: '],
    ['with an input that is no text', { instruction: 'Two', output: 'x', input: null }, 'input: '],
    ['that is no object', 'Two', 'row: '],
    ['that is a list', [1], 'row: '],
    ['that is null', null, 'row: '],
  ]

  it.each(wrongRows)('names the line of a row %s, in an array and in JSON Lines', (_, wrong, message) => {
    const rows = [good, wrong, good].map((value) => JSON.stringify(value))
    for (const text of [`[\n${rows.join(',\n')}\n]`, `\n${rows.join('\n')}`]) {
      const error = refusal(text)
      expect(pathsOf(error, 'DATASET_INVALID')).toEqual(['line 3'])
      expect(error.issues[0]?.message).toContain(message)
    }
  })

  it('names the line of the field itself in an array laid out over several lines', () => {
    const text = '[\n  {\n    "instruction": "One",\n    "output": ""\n  }\n]'
    expect(pathsOf(refusal(text), 'DATASET_INVALID')).toEqual(['line 4'])
  })

  it('counts all wrong lines and lists the first ten', () => {
    const error = refusal(Array(25).fill('{}').join('\n'))
    expect(error.message).toContain('has 25 wrong lines; the first 10 are listed')
    expect(pathsOf(error, 'DATASET_INVALID')).toEqual(
      Array.from({ length: 10 }, (_, index) => `line ${index + 1}`),
    )
  })

  it('counts rows alike in both forms, and finds a broken one at its line, whatever the texts hold', () => {
    const text = fc.string({ minLength: 1, unit: 'grapheme' }).filter((value) => value.trim() !== '')
    const rowsOf = fc.array(fc.record({ instruction: text, output: text }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(rowsOf, fc.nat(), (rows, chosen) => {
        const lines = rows.map((value) => JSON.stringify(value))
        expect(checkDataset(`[${lines.join(',\n')}]`, 'a')).toEqual({ rows: rows.length })
        expect(checkDataset(lines.join('\n'), 'a')).toEqual({ rows: rows.length })
        const broken = chosen % rows.length
        const withHole = lines.with(broken, '{"instruction": "a"}')
        for (const broke of [`[${withHole.join(',\n')}]`, withHole.join('\n')]) {
          expect(pathsOf(refusal(broke), 'DATASET_INVALID')).toEqual([`line ${broken + 1}`])
        }
      }),
      { numRuns: 100 },
    )
  })
})
