import { z } from 'zod'

export const SHARED_BY = ['recipe', 'user'] as const
export type SharedBy = (typeof SHARED_BY)[number]

export const fairShareSchema = z
  .strictObject({
    by: z.enum(SHARED_BY).describe('Whose turn it is: a recipe’s, or that of who starts runs'),
    historyHours: z
      .int()
      .min(1)
      .max(168)
      .default(24)
      .describe('How far back use counts, the latest the most: who has had less of it goes first'),
    weights: z
      .record(z.string().min(1).max(200), z.number().min(0.01).max(100))
      .default({})
      .describe(
        'Names of recipes or of users → how much of the machines they get; one that is not named has 1. A user’s is the last part of the ARN; runs that nobody starts are of schedule, dataset, model or event',
      ),
  })
  .describe(
    'Who gets the next machine when several wait. Without it, who has waited longest. To turn it on or off makes new job queues: do so while no run is under way',
  )

export type FairShare = z.output<typeof fairShareSchema>
