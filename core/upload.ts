import { z } from 'zod'
import { MAX_DATASET_BYTES } from './data-file.ts'

/** S3 takes at most this in one POST. Larger models come from the Hub or are copied to the bucket by other means. */
export const MAX_UPLOAD_BYTES = 5 * 2 ** 30

const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits')

/** One file, as S3 is to take it. */
const file = {
  sha256: sha256Hex.describe("The file's own"),
  bytes: z.int().min(1).max(MAX_UPLOAD_BYTES),
}

export const uploadRequestSchema = z.strictObject({
  contentSha256: sha256Hex.describe(
    'Names the folder: the hash of the file, or of all that is uploaded together',
  ),
  ...file,
  fileName: z
    .string()
    .max(512)
    .regex(
      /^(?!.*\.\.)[\w.-]+(\/[\w.-]+)*$/,
      'a file name of letters, digits, _, . and -, folders by /, no two dots in a row',
    ),
})
export type UploadRequest = z.output<typeof uploadRequestSchema>

/** A name that is taken, for a file that nothing refers to by its own; what it ends with stays. */
export const uploadName = (name: string) => name.replace(/[^\w.-]+/g, '-').replace(/\.{2,}/g, '.')

/** A data set's file on its way to become a version. */
export const datasetUploadRequestSchema = z.strictObject({
  ...file,
  bytes: file.bytes.max(MAX_DATASET_BYTES),
  fileName: z
    .string()
    .max(255)
    .regex(/^(?!\.+$)[\w.-]+$/, 'a file name without folders'),
})
export type DatasetUploadRequest = z.output<typeof datasetUploadRequestSchema>

export const uploadSchema = z.object({
  uri: z.string(),
  post: z
    .object({ url: z.string(), fields: z.record(z.string(), z.string()) })
    .nullable()
    .describe(
      'Where to POST a form of these fields and, last, `file`: S3 takes that very file alone, for 15 minutes; null when the team already has it',
    ),
})
export type Upload = z.output<typeof uploadSchema>
