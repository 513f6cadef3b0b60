import type { CheckedRows } from './dataset.ts'
import { RoslinError } from './errors.ts'
import type { Recipe } from './recipe.ts'
import { rowText } from './row-text.ts'
import type { CountTokens } from './tokenizer.ts'

/** How much a recipe's data is, and how that is known. */
export interface DataSize {
  readonly rows: number
  readonly tokensPerRow: number
  readonly because: string
  /** Of a published split; else the recipe's share is held out. */
  readonly heldOutRows?: number
}

/** What is known without looking: given by the caller. */
export interface GivenSize {
  readonly rows?: number | undefined
  readonly tokensPerRow?: number | undefined
}

/** What people train on by name, as their files are called. */
const KNOWN_DATASETS: Readonly<Record<string, DataSize>> = {
  // Lengths estimated in GPT-2's tokens with Dolly's template, 24 November 2026. Dolly held 1,000 rows out.
  'alpaca_data.json': {
    rows: 52_002,
    heldOutRows: 1_000,
    tokensPerRow: 131,
    because:
      'Stanford Alpaca: 52,002 rows, 51,002 of them trained on by Dolly; 131 tokens a row (2026-11-24).',
  },
  // The file has 13.1 MB: about 790 characters of text a row, 4.3 a token, and the template's 33 tokens.
  'databricks-dolly-15k.jsonl': {
    rows: 15_011,
    tokensPerRow: 215,
    because:
      'databricks-dolly-15k: 15,011 rows; about 215 tokens a row, by the size of its file (2026-11-24).',
  },
}

/** OpenAI's rule of thumb for English: 4 characters a token. Byte-pair vocabularies of GPT-2's kind come to 4 to 4.5. */
const CHARACTERS_PER_TOKEN = 4
/** More rows than this are sampled: a tokenizer takes a minute for 50,000. */
const COUNTED_ROWS = 1000

/** The recipe's data where nobody has looked at the file: known by its name, or not at all. */
export function knownSize(recipe: Recipe): DataSize | undefined {
  return KNOWN_DATASETS[recipe.dataset.source.split('/').at(-1) ?? '']
}

/** Measured on the rows themselves, by the model's own tokenizer where there is one. */
export function sizeOfRows(
  recipe: Recipe,
  { values, format }: CheckedRows,
  countTokens?: CountTokens,
): DataSize {
  const { template, training } = recipe
  const every = Math.ceil(values.length / COUNTED_ROWS)
  const counted = values.filter((_, index) => index % every === 0)
  const tokens = counted
    .map((row) => rowText(template, format, row))
    // And one that ends it.
    .map((text) => (countTokens?.(text) ?? Math.ceil(text.length / CHARACTERS_PER_TOKEN)) + 1)
    .reduce((sum, length) => sum + Math.min(length, training.maxTokens), 0)
  const how = countTokens ? "the model's tokenizer" : `${CHARACTERS_PER_TOKEN} characters a token`
  const which =
    every === 1
      ? 'all rows'
      : `${counted.length.toLocaleString('en')} of ${values.length.toLocaleString('en')} rows`
  return {
    rows: values.length,
    tokensPerRow: tokens / counted.length,
    because: `The data file: ${which} counted by ${how}.`,
  }
}

/**
 * What was given goes before what was found.
 * @throws RoslinError NO_BASIS where the rows or their length are known from nowhere.
 */
export function resolvedSize(recipe: Recipe, given: GivenSize, found: DataSize | undefined): DataSize {
  const rows = given.rows ?? found?.rows
  const tokensPerRow = given.tokensPerRow ?? found?.tokensPerRow
  if (rows === undefined || tokensPerRow === undefined) {
    const { source } = recipe.dataset
    throw new RoslinError(
      'NO_BASIS',
      `Nothing says how much data ${source} is: it is not here, and no data set known by that name.`,
      'Give --rows and --tokens-per-row (in the API rows and tokensPerRow), or put the data file there.',
      [
        ...(rows === undefined ? [{ path: 'rows', message: 'needed for these data' }] : []),
        ...(tokensPerRow === undefined ? [{ path: 'tokensPerRow', message: 'needed for these data' }] : []),
      ],
    )
  }
  const asGiven = [
    ...(given.rows === undefined ? [] : [`${given.rows.toLocaleString('en')} rows`]),
    ...(given.tokensPerRow === undefined ? [] : [`${given.tokensPerRow} tokens a row`]),
  ]
  const because = [
    ...(asGiven.length > 0 ? [`As given: ${asGiven.join(', ')}.`] : []),
    ...(asGiven.length < 2 && found ? [found.because] : []),
  ]
  const heldOutRows = given.rows === undefined ? found?.heldOutRows : undefined
  return {
    rows,
    // Longer rows are cut.
    tokensPerRow: Math.min(tokensPerRow, recipe.training.maxTokens),
    because: because.join(' '),
    ...(heldOutRows !== undefined && { heldOutRows }),
  }
}

const DOLLY_HELD_OUT_FRACTION = 0.02

/** Rows that are never trained on; the trainer's split_held_out counts alike. */
export function heldOutRows(recipe: Recipe, { rows, heldOutRows: published }: DataSize): number {
  const { heldOutFraction } = recipe.dataset
  if (published !== undefined && heldOutFraction === DOLLY_HELD_OUT_FRACTION) return published
  return heldOutFraction > 0 ? Math.min(Math.max(1, Math.round(rows * heldOutFraction)), rows - 1) : 0
}
