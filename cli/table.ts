import Table from 'cli-table3'

const NARROWEST_COLUMN = 8
/** A space on each side of a cell. */
const PADDING = 2
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u

/**
 * A table no wider than the terminal that it goes to: its widest columns give way, their lines are broken. Into a file or a pipe
 * it is as wide as it is.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  stream: Pick<NodeJS.WriteStream, 'columns' | 'isTTY'> = process.stdout,
): string {
  const natural = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => widthOf(row[column] ?? '') + PADDING)),
  )
  return drawn(head, rows, fitted(natural, stream.columns ?? Number.POSITIVE_INFINITY), isColoured(stream))
}

/** With columns as wide as given, their padding included. */
export function drawn(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  widths: readonly number[],
  coloured: boolean,
): string {
  const isBroken = [head, ...rows].some((row) =>
    row.some((cell, column) => longestWord(cell) + PADDING > (widths[column] ?? 0)),
  )
  const lines = new Table({
    head: [...head],
    colWidths: [...widths],
    wordWrap: true,
    // A word that does not fit is broken: cut off, an id would be none.
    wrapOnWordBoundary: !isBroken,
    style: { head: coloured ? ['bold'] : [], border: coloured ? ['grey'] : [] },
  })
  lines.push(...rows.map((row) => [...row]))
  return lines.toString()
}

/** Colour is for people's terminals, and not for those who have said no: https://no-color.org. */
export function isColoured({ isTTY }: Pick<NodeJS.WriteStream, 'isTTY'>, env = process.env): boolean {
  return Boolean(isTTY) && !env.NO_COLOR && env.TERM !== 'dumb'
}

function fitted(natural: readonly number[], columns: number): number[] {
  const widths = [...natural]
  const borders = widths.length + 1
  for (let over = sum(widths) + borders - columns; over > 0; over--) {
    const widest = widths.indexOf(Math.max(...widths))
    const width = widths[widest] ?? 0
    if (width <= NARROWEST_COLUMN) break
    widths[widest] = width - 1
  }
  return widths
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
const widthOf = (cell: string) => Math.max(...cell.split('\n').map(columnsOf))
const longestWord = (cell: string) => Math.max(...cell.split(/\s/).map(columnsOf))
/** East Asian letters take two. */
const columnsOf = (text: string) =>
  [...text].reduce((columns, letter) => columns + (WIDE.test(letter) ? 2 : 1), 0)
