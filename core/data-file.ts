import { isUtf8 } from 'node:buffer'
import { gunzipSync } from 'node:zlib'
import { RoslinError } from './errors.ts'
import { readArray, readLines } from './json-rows.ts'
import { readMetadata, readParquet, unpackedBytes } from './parquet-rows.ts'
import type { RowFile } from './row-file.ts'

/** A data file is read whole to be checked and hashed; ten times the 52K Alpaca rows fit. */
export const MAX_DATASET_BYTES = 256 * 2 ** 20

const startsWith = (bytes: Uint8Array, magic: string) =>
  Buffer.from(magic, 'latin1').equals(bytes.subarray(0, magic.length))

/**
 * Reads a JSON array or JSON Lines, either gzipped, or Parquet, whatever the file's name.
 * @throws RoslinError DATASET_INVALID for a file that is damaged, empty or too large.
 */
export async function readRows(given: Uint8Array, name: string): Promise<RowFile> {
  if (given.length > MAX_DATASET_BYTES) throw datasetTooLarge(name, given.length)
  const bytes = startsWith(given, '\x1f\x8b') ? unzip(given, name) : given
  return startsWith(bytes, 'PAR1') ? fromParquet(bytes, name) : fromText(decode(bytes, name), name)
}

export function datasetTooLarge(name: string, bytes: number | string): RoslinError {
  return invalidFile(
    `${name} has ${bytes} bytes; at most ${MAX_DATASET_BYTES} are taken, unpacked`,
    'Split the file, or train on a sample of it.',
  )
}

function invalidFile(what: string, nextStep: string): RoslinError {
  return new RoslinError('DATASET_INVALID', `The data file ${what}.`, nextStep)
}

function damaged(name: string, kind: string, error: unknown): RoslinError {
  return invalidFile(
    `${name} is damaged ${kind}: ${(error as Error).message}`,
    'Was it cut on its way? Make or fetch the file anew.',
  )
}

function unzip(bytes: Uint8Array, name: string): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_DATASET_BYTES })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') throw damaged(name, 'gzip', error)
    throw datasetTooLarge(name, `more than ${MAX_DATASET_BYTES} unpacked`)
  }
}

async function fromParquet(bytes: Uint8Array, name: string): Promise<RowFile> {
  let metadata: ReturnType<typeof readMetadata>
  try {
    metadata = readMetadata(bytes)
  } catch (error) {
    throw damaged(name, 'Parquet', error)
  }
  const unpacked = unpackedBytes(metadata)
  if (unpacked > MAX_DATASET_BYTES) throw datasetTooLarge(name, unpacked)
  return readParquet(bytes, metadata).catch((error) => {
    throw damaged(name, 'Parquet', error)
  })
}

function fromText(text: string, name: string): RowFile {
  if (text.trim() === '') throw invalidFile(`${name} is empty`, 'Give a file with at least one row.')
  return text.trimStart().startsWith('[') ? readArray(text) : readLines(text)
}

/** TextDecoder also takes the byte order mark away. */
function decode(bytes: Uint8Array, name: string): string {
  if (isUtf8(bytes)) return new TextDecoder().decode(bytes)
  let line = 1
  for (let at = 0; ; line += 1) {
    const end = bytes.indexOf(10, at)
    if (end < 0 || !isUtf8(bytes.subarray(at, end))) break
    at = end + 1
  }
  throw new RoslinError(
    'DATASET_INVALID',
    `The data file ${name} is not UTF-8 at line ${line}.`,
    'Save the file as UTF-8.',
    [{ path: `line ${line}`, message: 'is not UTF-8' }],
  )
}
