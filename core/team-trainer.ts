import { z } from 'zod'

/** A tag can move under a run; a digest cannot. */
const BY_DIGEST = /^[^\s@]+@sha256:[0-9a-f]{64}$/
/** No image, but the name by which the embedded AWS knows which process to start. */
const EMBEDDED = /^[\w./-]+:embedded$/

const build = z.strictObject({
  variant: z
    .enum(['main', 'driver515'])
    .default('main')
    .describe(
      'driver515 is for hosts whose NVIDIA driver cannot be newer than 515; it serves all steps of a run',
    ),
  buildCache: z
    .string()
    .regex(/^[^\s@]+$/, 'a repository, with or without a tag')
    .optional()
    .describe('A repository that docker buildx keeps the layers of the build in, and takes them from'),
})

export const trainerImageSchema = z
  .union([z.string(), build])
  .superRefine((image, context) => {
    if (typeof image !== 'string' || BY_DIGEST.test(image) || EMBEDDED.test(image)) return
    const message = 'an image by its digest, as in registry/name@sha256:…: a tag could move under a run'
    context.addIssue({ code: 'custom', message })
  })
  .prefault({})
  .describe('A prebuilt image, or how containers/trainer is built and pushed')

export type TrainerImageSource = z.output<typeof trainerImageSchema>
