import { findNodeAtLocation, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser'
import { NotJson, type RowFile } from './row-file.ts'

/** JSON Lines: blank lines are no rows. */
export function readLines(text: string): RowFile {
  const values: unknown[] = []
  const lines: number[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    values.push(parsedOrNot(line))
    lines.push(index + 1)
  }
  return { values, placeOf: (index) => `line ${lines[index]}` }
}

function parsedOrNot(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    return new NotJson((error as Error).message)
  }
}

/** JSON.parse is ten times faster than a parser that knows positions: that one only runs once something is wrong. */
export function readArray(text: string): RowFile {
  const values = parsedOrNot(text)
  if (values instanceof NotJson) return notJson(text, values)
  let tree: ReturnType<typeof parseTree>
  const lineOf = lineFinder(text)
  return {
    values: values as unknown[],
    placeOf: (index, path = []) => {
      tree ??= parseTree(text)
      const row = tree?.children?.[index]
      // Where the wrong field itself stands, when the row has it at all.
      const node = (row && findNodeAtLocation(row, [...path])) ?? row
      return `line ${lineOf(node?.offset ?? 0)}`
    },
  }
}

function notJson(text: string, { message }: NotJson): RowFile {
  const errors: ParseError[] = []
  parseTree(text, errors, { allowTrailingComma: false, disallowComments: true })
  const [first] = errors
  const what = first ? new NotJson(printParseErrorCode(first.error)) : new NotJson(message)
  return { values: [what], placeOf: () => `line ${lineFinder(text)(first?.offset ?? 0)}` }
}

function lineFinder(text: string): (offset: number) => number {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let low = 0
    let high = starts.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
