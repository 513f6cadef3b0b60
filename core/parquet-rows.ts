import { type FileMetaData, parquetMetadata, parquetReadObjects, parquetSchema } from 'hyparquet'
import { compressors } from './parquet-compressors.ts'
import type { RowFile } from './row-file.ts'
import { ROW_FIELDS } from './row-formats.ts'

/** The bytes that the columns of rows take once they are unpacked. */
export function unpackedBytes(metadata: FileMetaData): number {
  const columns = metadata.row_groups.flatMap((group) => group.columns)
  return columns
    .filter(({ meta_data }) => ROW_FIELDS.includes(meta_data?.path_in_schema[0] ?? ''))
    .reduce((sum, { meta_data }) => sum + Number(meta_data?.total_uncompressed_size ?? 0), 0)
}

export const readMetadata = (bytes: Uint8Array): FileMetaData => parquetMetadata(bufferOf(bytes))

/** Parquet, with the columns that rows are made from. Rejects for a damaged file. */
export async function readParquet(bytes: Uint8Array, metadata: FileMetaData): Promise<RowFile> {
  const names = parquetSchema(metadata).children.map(({ element }) => element.name)
  const columns = ROW_FIELDS.filter((field) => names.includes(field))
  for (const field of columns) {
    const found = names.filter((name) => name === field).length
    if (found > 1) throw new Error(`it has ${found} columns named ${field}`)
  }
  const values =
    columns.length > 0
      ? // utf8: false, so that bytes that are not declared to be text are not taken for it.
        await parquetReadObjects({ file: bufferOf(bytes), metadata, columns, compressors, utf8: false })
      : Array(Number(metadata.num_rows)).fill({})
  return { values, placeOf: (index) => `row ${index + 1}` }
}

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
}
