import { z } from 'zod'

/** Of the team's section on what is kept, and under which key. */
export const encryptionSchema = z
  .enum(['team-key', 'aws-managed'])
  .default('team-key')
  .describe(
    "With what the team's data are encrypted: a key of its own in KMS ($1 a month, and $1 more for each of the first two yearly rotations), or AWS's own keys",
  )

/** S3 moves nothing to Infrequent Access that is younger. */
const DAYS_TO_INFREQUENT_ACCESS = 30

export const retentionSchema = z.strictObject({
  oldVersionsDays: z
    .int()
    .min(1)
    .max(3650)
    .default(30)
    .describe('How long what was overwritten or deleted in the bucket can be had again'),
  deletedCheckpointsDays: z
    .int()
    .min(1)
    .max(3650)
    .default(3)
    .describe('The same under runs/: a checkpoint that a later one replaced is as large as the model'),
  uploadsDays: z
    .int()
    .min(7)
    .max(3650)
    .optional()
    .describe(
      'After how long a local file that was sent up is removed; a run that is resumed later fails without it. Left out: kept',
    ),
  modelsInfrequentAccessDays: z
    .int()
    .min(DAYS_TO_INFREQUENT_ACCESS)
    .max(3650)
    .optional()
    .describe(
      'After how long a model moves to Infrequent Access: half the price, and a fee to read it. Left out: never',
    ),
})

export type Retention = z.output<typeof retentionSchema>
