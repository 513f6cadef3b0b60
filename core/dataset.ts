import { findNodeAtLocation, type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser'
import { z } from 'zod'
import { type Issue, RoslinError } from './errors.ts'

/** More than this many wrong rows are counted, not listed. */
const MAX_LISTED = 10

const row = z.looseObject({
  instruction: z.string().trim().min(1, 'must not be empty'),
  input: z.string().optional(),
  output: z.string().trim().min(1, 'must not be empty'),
})

export interface DatasetFacts {
  readonly rows: number
}

/**
 * Checks a data file in the Alpaca format (instruction, optional input, output): a JSON array, or JSON Lines.
 * @throws RoslinError DATASET_INVALID, naming the lines that are wrong.
 */
export function checkDataset(text: string, name: string): DatasetFacts {
  const content = text.replace(/^\uFEFF/, '')
  if (content.trim() === '') throw invalid(name, 'is empty', [])
  const { rows, issues } = content.trimStart().startsWith('[') ? checkArray(content) : checkLines(content)
  if (issues.length > 0) {
    const more = issues.length > MAX_LISTED ? `; the first ${MAX_LISTED} are listed` : ''
    throw invalid(name, `has ${issues.length} wrong line${issues.length > 1 ? 's' : ''}${more}`, issues)
  }
  if (rows === 0) throw invalid(name, 'has no rows', [])
  return { rows }
}

function invalid(name: string, what: string, issues: readonly Issue[]): RoslinError {
  return new RoslinError(
    'DATASET_INVALID',
    `The data file ${name} ${what}.`,
    'Each row needs "instruction" and "output", both non-empty text, and may have "input"; mend the lines named.',
    issues.slice(0, MAX_LISTED),
  )
}

interface Checked {
  readonly rows: number
  readonly issues: readonly Issue[]
}

function checkLines(text: string): Checked {
  const issues: Issue[] = []
  let rows = 0
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    rows += 1
    const message = wrongLine(line)
    if (message) issues.push({ path: `line ${index + 1}`, message })
  }
  return { rows, issues }
}

function wrongLine(line: string): string | undefined {
  try {
    return wrongRow(JSON.parse(line))
  } catch (error) {
    return `is not JSON: ${error instanceof Error ? error.message : error}`
  }
}

function wrongRow(value: unknown): string | undefined {
  const result = row.safeParse(value)
  return result.success
    ? undefined
    : result.error.issues.map((issue) => `${issue.path.join('.') || 'row'}: ${issue.message}`).join('; ')
}

/** JSON.parse is ten times faster than a parser that knows positions: that one only runs once something is wrong. */
function checkArray(text: string): Checked {
  try {
    const values: unknown[] = JSON.parse(text)
    if (values.every((value) => wrongRow(value) === undefined)) return { rows: values.length, issues: [] }
  } catch {
    // Not JSON: the slow parser says where.
  }
  return locate(text)
}

function locate(text: string): Checked {
  const errors: ParseError[] = []
  const tree = parseTree(text, errors, { allowTrailingComma: false, disallowComments: true })
  const lineOf = lineFinder(text)
  const [first] = errors
  if (first) {
    return {
      rows: 0,
      issues: [
        { path: `line ${lineOf(first.offset)}`, message: `is not JSON: ${printParseErrorCode(first.error)}` },
      ],
    }
  }
  const rows = tree?.children ?? []
  return {
    rows: rows.length,
    issues: rows.flatMap((node) => {
      const value = plainValue(node)
      const message = wrongRow(value)
      return message ? [{ path: `line ${lineOf(wrongField(node, value) ?? node.offset)}`, message }] : []
    }),
  }
}

function plainValue(node: Node): unknown {
  if (node.type !== 'object') return node.value
  return Object.fromEntries(
    (node.children ?? []).map(({ children }) => [
      children?.[0]?.value,
      children?.[1] && plainValue(children[1]),
    ]),
  )
}

/** Where the first wrong field of a row stands, when the row has that field at all. */
function wrongField(node: Node, value: unknown): number | undefined {
  const path = row.safeParse(value).error?.issues[0]?.path ?? []
  return findNodeAtLocation(node, path as (string | number)[])?.offset
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
