import type { Issue } from './errors.ts'
import { slugSchema } from './recipe.ts'
import type { RowFormat } from './row-formats.ts'

/** A file that arrived and can be trained on: immutable, named by its content. */
export interface DatasetVersion {
  readonly name: string
  readonly version: number
  readonly sha256: string
  readonly uri: string
  readonly rows: number
  readonly format: RowFormat
  readonly bytes: number
  readonly createdAt: string
  /** The object that it was copied from. */
  readonly from: string
}

/** A file that arrived and cannot. */
export interface DatasetRejection {
  readonly name: string
  readonly from: string
  readonly at: string
  readonly code: string
  readonly message: string
  readonly nextStep: string
  readonly issues: readonly Issue[]
}

export interface DatasetSummary {
  readonly name: string
  readonly updatedAt: string
  /** None where no file could be used yet. */
  readonly version?: number
}

export interface DatasetList {
  readonly datasets: readonly DatasetSummary[]
}

export interface DatasetVersions {
  readonly name: string
  /** The newest first. */
  readonly versions: readonly DatasetVersion[]
  readonly rejections: readonly DatasetRejection[]
}

/** The prefix where data arrive: incoming/<dataset>/<file>. */
export const INCOMING = 'incoming/'

/** The dataset and the file's own name; undefined for a key that is neither. A name that ends in a slash is a folder. */
export function incomingFile(key: string): { readonly dataset: string; readonly file: string } | undefined {
  const [, dataset = '', file = ''] = /^incoming\/([^/]+)\/(?:.*\/)?([^/]+)$/.exec(key) ?? []
  return slugSchema.safeParse(dataset).success && file ? { dataset, file } : undefined
}
