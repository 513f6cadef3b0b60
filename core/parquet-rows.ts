import { type FileMetaData, parquetMetadata, parquetReadObjects } from 'hyparquet'
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
  const names = metadata.row_groups[0]?.columns.map(({ meta_data }) => meta_data?.path_in_schema[0] ?? '')
  const columns = ROW_FIELDS.filter((field) => names?.includes(field))
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
