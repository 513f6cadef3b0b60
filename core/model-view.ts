import { z } from 'zod'

const at = z.iso.datetime({ offset: true })

export const modelSchema = z.object({
  name: z.string(),
  newestVersion: z.int(),
  runId: z.ulid().describe('Of the run that made the newest version'),
  createdAt: at,
})

export type Model = z.output<typeof modelSchema>

export const modelListSchema = z.object({ models: z.array(modelSchema).readonly() })
export type ModelList = z.output<typeof modelListSchema>

/** A registered result: where it lies, what it was made from, what may be done with it. */
export const modelVersionSchema = z
  .object({
    name: z.string(),
    version: z.int(),
    runId: z.ulid(),
    uri: z.string(),
    createdAt: at,
    licence: z.object({
      commercialUse: z.boolean(),
      shareAlike: z.boolean(),
      because: z.array(z.string()).readonly(),
    }),
    lineage: z.object({
      planUri: z.string(),
      baseModel: z.object({ source: z.string(), revision: z.string().optional() }),
      dataset: z.object({ uri: z.string(), sha256: z.string() }),
      code: z.object({ version: z.string(), trainerImage: z.string() }),
    }),
    unfinished: z
      .boolean()
      .optional()
      .describe('Training was stopped at its limit: this is its newest checkpoint'),
  })
  .meta({ id: 'ModelVersion' })
export type ModelVersion = z.output<typeof modelVersionSchema>

export const modelVersionListSchema = z.object({
  versions: z.array(modelVersionSchema).readonly(),
  cursor: z.string().nullable(),
})
export type ModelVersionList = z.output<typeof modelVersionListSchema>
