import { z } from 'zod'

/** S3 takes at most this in one PUT. Larger models come from the Hub or are copied to the bucket by other means. */
const MAX_BYTES = 5 * 2 ** 30

const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits')

export const uploadRequestSchema = z.strictObject({
  contentSha256: sha256Hex.describe(
    'Names the folder: the hash of the file, or of all that is uploaded together',
  ),
  sha256: sha256Hex.describe("The file's own"),
  fileName: z
    .string()
    .max(512)
    .regex(/^(?!.*\.\.)[\w.-]+(\/[\w.-]+)*$/, 'a file name, folders by /'),
  bytes: z.int().min(1).max(MAX_BYTES),
})
export type UploadRequest = z.output<typeof uploadRequestSchema>

export const uploadSchema = z.object({
  uri: z.string(),
  put: z
    .object({ url: z.string(), headers: z.record(z.string(), z.string()) })
    .nullable()
    .describe('Where to PUT the file, with these headers; null when the team already has it'),
})
export type Upload = z.output<typeof uploadSchema>
