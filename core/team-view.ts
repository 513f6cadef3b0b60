import { z } from 'zod'
import { PURCHASES } from './purchase.ts'

/** The team's deployment, and its money this month. */
export const teamViewSchema = z.object({
  team: z.string(),
  region: z.string(),
  capacity: z
    .array(
      z.object({
        instanceType: z.string(),
        purchase: z.enum(PURCHASES),
        waitMinutes: z.number(),
        amiId: z.string().optional(),
        priceUsdPerHour: z.number().optional().describe('Of a reservation, where the team file has one'),
        maxNodes: z.int().optional().describe('Of one run; 1 where it is missing'),
      }),
    )
    .readonly(),
  budget: z.object({
    month: z.string(),
    limitUsd: z.number().nullable().describe('Null where the team file sets none'),
    committedUsd: z.number().describe('What is spent, and what runs under way may still spend'),
    spentUsd: z.number(),
  }),
  concurrentRuns: z.object({
    limit: z.int(),
    open: z.int().describe('Runs that have not both ended and been accounted'),
  }),
})
export type TeamView = z.output<typeof teamViewSchema>
