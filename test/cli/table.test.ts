import { describe, expect, it } from 'vitest'
import { isColoured, table } from '../../cli/table.ts'

const id = '01JD0000000000000000000000'
const rows = [[id, 'a recipe with a long name of several words', 'succeeded']]
const terminal = (columns: number) => ({ columns, isTTY: false })
const widthOf = (text: string) => Math.max(...text.split('\n').map((line) => line.length))

describe('a table', () => {
  it.each([40, 60, 72, 200])('is no wider than a terminal of %d columns', (columns) => {
    expect(widthOf(table(['run', 'recipe', 'status'], rows, terminal(columns)))).toBeLessThanOrEqual(columns)
  })

  it('breaks lines between words where it can', () => {
    const text = table(['run', 'recipe', 'status'], rows, terminal(72))
    expect(text).toContain(id)
    expect(text).not.toContain('…')
  })

  it('loses no letter of an id that has to be broken', () => {
    const text = table(['run', 'recipe', 'status'], rows, terminal(40))
    const column = text.split('\n').map((line) => /^│ (\S*)/.exec(line)?.[1] ?? '')
    expect(column.join('')).toContain(id)
  })

  it('is as wide as it is, in a file or a pipe', () => {
    expect(table(['run', 'recipe', 'status'], rows, {} as NodeJS.WriteStream)).toContain(rows[0]?.join(' │ '))
  })

  it('counts wide letters as two columns', () => {
    const [top = '', , , line = ''] = table(['text'], [['羊が一匹']], terminal(80)).split('\n')
    expect(line.length + 4).toBe(top.length)
  })
})

it.each([
  [{ isTTY: true }, {}, true],
  [{ isTTY: true }, { NO_COLOR: '1' }, false],
  [{ isTTY: true }, { TERM: 'dumb' }, false],
  [{ isTTY: false }, {}, false],
])('colour on %j with %j: %s', (stream, env, coloured) => {
  expect(isColoured(stream, env)).toBe(coloured)
})
