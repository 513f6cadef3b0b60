import { readRows } from './data-file.ts'
import { type Issue, RoslinError } from './errors.ts'
import type { Recipe } from './recipe.ts'
import { NotJson, type RowFile } from './row-file.ts'
import { detectFormat, ROW_NEEDS, ROW_SCHEMAS, type RowFormat } from './row-formats.ts'
import { hasResponse } from './row-text.ts'

/** More than this many wrong rows are counted, not listed. */
const MAX_LISTED = 10

export interface DatasetFacts {
  /** Of the file, with those that have no response. */
  readonly rows: number
  readonly format: RowFormat
}

export interface CheckedRows {
  /** Those that have a response. */
  readonly values: readonly unknown[]
  readonly rowsWithoutResponse: number
  readonly format: RowFormat
}

/**
 * Checks a data file, before anything is sent or started.
 * @throws RoslinError DATASET_INVALID, naming the lines that are wrong; in Parquet the rows.
 */
export async function checkDataset(
  bytes: Uint8Array,
  name: string,
  asked: Recipe['dataset']['format'],
): Promise<DatasetFacts> {
  const { values, rowsWithoutResponse, format } = await checkedRows(bytes, name, asked)
  return { rows: values.length + rowsWithoutResponse, format }
}

/**
 * The rows of a data file to train on, each as its format needs it.
 * @throws RoslinError DATASET_INVALID
 */
export async function checkedRows(
  bytes: Uint8Array,
  name: string,
  asked: Recipe['dataset']['format'],
): Promise<CheckedRows> {
  const file = await readRows(bytes, name)
  const format = asked === 'auto' ? detectFormat(file.values) : asked
  const issues = file.values.flatMap((value, index) => wrongRow(file, format, value, index) ?? [])
  if (issues.length > 0) {
    const count = `${issues.length} wrong row${issues.length > 1 ? 's' : ''}`
    const more = issues.length > MAX_LISTED ? `; the first ${MAX_LISTED} are listed` : ''
    throw invalid(name, `, read as ${format}, has ${count}${more}`, format, issues.slice(0, MAX_LISTED))
  }
  if (file.values.length === 0) throw invalid(name, ' has no rows', format, [])
  const values = file.values.filter((row) => hasResponse(format, row))
  const rowsWithoutResponse = file.values.length - values.length
  if (values.length === 0) {
    const blank = `a response is blank in each of its rows, ${rowsWithoutResponse} in all`
    throw invalid(name, `, read as ${format}, has no row to train on: ${blank}`, format, [])
  }
  return { values, rowsWithoutResponse, format }
}

function wrongRow(file: RowFile, format: RowFormat, value: unknown, index: number): Issue | undefined {
  if (value instanceof NotJson) {
    return { path: file.placeOf(index), message: `is not JSON: ${value.message}` }
  }
  const result = ROW_SCHEMAS[format].safeParse(value)
  if (result.success) return undefined
  const path = result.error.issues[0]?.path as (string | number)[]
  const message = result.error.issues
    .map((issue) => `${issue.path.join('.') || 'row'}: ${issue.message}`)
    .join('; ')
  return { path: file.placeOf(index, path), message }
}

function invalid(name: string, what: string, format: RowFormat, issues: readonly Issue[]): RoslinError {
  const mend = issues.length > 0 ? 'Mend the rows named' : 'Give rows that have a response'
  return new RoslinError(
    'DATASET_INVALID',
    `The data file ${name}${what}.`,
    `${ROW_NEEDS[format]}. ${mend}, or set dataset.format if the rows are of another format.`,
    issues,
  )
}
