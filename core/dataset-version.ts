import { z } from 'zod'
import { slugSchema } from './recipe.ts'
import { ROW_SCHEMAS, type RowFormat } from './row-formats.ts'

const at = z.iso.datetime({ offset: true })

/** A file that arrived and can be trained on: immutable, named by its content. */
export const datasetVersionSchema = z
  .object({
    name: z.string(),
    version: z.int(),
    sha256: z.string(),
    uri: z.string(),
    rows: z.int(),
    format: z.enum(Object.keys(ROW_SCHEMAS) as RowFormat[]),
    bytes: z.int(),
    createdAt: at,
    from: z.string().describe('The object that it was copied from'),
  })
  .meta({ id: 'DatasetVersion' })
export type DatasetVersion = z.output<typeof datasetVersionSchema>

/** A file that arrived and cannot. */
export const datasetRejectionSchema = z.object({
  name: z.string(),
  from: z.string(),
  at,
  code: z.string(),
  message: z.string(),
  nextStep: z.string(),
  issues: z.array(z.object({ path: z.string(), message: z.string() })).readonly(),
})
export type DatasetRejection = z.output<typeof datasetRejectionSchema>

const datasetSummarySchema = z.object({
  name: z.string(),
  updatedAt: at,
  version: z.int().optional().describe('The newest; none where no file could be used yet'),
})
export type DatasetSummary = z.output<typeof datasetSummarySchema>

export const datasetListSchema = z.object({ datasets: z.array(datasetSummarySchema).readonly() })
export type DatasetList = z.output<typeof datasetListSchema>

export const datasetVersionsSchema = z.object({
  name: z.string(),
  versions: z.array(datasetVersionSchema).readonly().describe('The newest first'),
  rejections: z.array(datasetRejectionSchema).readonly().describe('Files that could not be one'),
})
export type DatasetVersions = z.output<typeof datasetVersionsSchema>

/** A data set's version to be made of a file that lies in the team's bucket already. */
export const registrationSchema = z.strictObject({
  uri: z
    .string()
    .max(1200)
    .describe("An object of the team's bucket: s3://bucket/key. It is copied to where it never changes"),
})

/** The prefix where data arrive: incoming/<dataset>/<file>. */
export const INCOMING = 'incoming/'
export const incomingFolder = (dataset: string) => `${INCOMING}${dataset}/`

/** The dataset and the file's own name; undefined for a key that is neither. A name that ends in a slash is a folder. */
export function incomingFile(key: string): { readonly dataset: string; readonly file: string } | undefined {
  const [, dataset = '', file = ''] = /^incoming\/([^/]+)\/(?:.*\/)?([^/]+)$/.exec(key) ?? []
  return slugSchema.safeParse(dataset).success && file ? { dataset, file } : undefined
}
