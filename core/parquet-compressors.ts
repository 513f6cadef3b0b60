import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { Compressors } from 'hyparquet'
import { decompressLz4, decompressLz4Raw } from 'hyparquet-compressors/src/lz4.js'

/**
 * How Parquet's pages are unpacked: by Node.js where it can, by a library where it cannot (LZ4); hyparquet itself knows
 * Snappy. The library's own brotli alone would be a quarter of a function's code. Never more is unpacked than the page
 * says: it throws.
 */
export const compressors: Compressors = {
  GZIP: (input, length) => gunzipSync(input, atMost(length)),
  BROTLI: (input, length) => brotliDecompressSync(input, atMost(length)),
  ZSTD: (input, length) => zstdDecompressSync(input, atMost(length)),
  LZ4: decompressLz4,
  LZ4_RAW: decompressLz4Raw,
}

function atMost(length: number): { maxOutputLength: number } {
  return { maxOutputLength: Math.max(length, 1) }
}
