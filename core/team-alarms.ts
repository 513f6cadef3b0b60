import { z } from 'zod'

export const alarmsSchema = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Whether CloudWatch alarms watch the deployment'),
    stuckRunMinutes: z
      .int()
      .min(15)
      .max(7 * 24 * 60)
      .default(60)
      .describe('How much longer than it may a run stays in one state before the alarm for stuck runs'),
    budgetPercent: z
      .int()
      .min(1)
      .max(99)
      .default(80)
      .describe(
        'Share of budget.monthlyUsd that is spent or reserved at the first alarm; the second is at 100 % spent',
      ),
    runbook: z
      .string()
      .min(1)
      .max(500)
      .default('docs/operations.md')
      .describe("Where the team reads docs/operations.md: a URL, for the link in each alarm's description"),
  })
  .prefault({})

export const dashboardSchema = z
  .boolean()
  .default(true)
  .describe('A CloudWatch dashboard: $3 a month, the first three of an account free')
