import { Hono } from 'hono'
import { monthOf } from '../../core/budget.ts'
import type { TeamView } from '../../core/run-view.ts'
import { ledger } from '../clients.ts'
import { deployment, monthlyLimitUsd, variable } from '../environment.ts'

export const teamRoutes = new Hono()

/** The team's capacity options in order, and what of this month's budget is spent and reserved. */
teamRoutes.get('/', async (context) => {
  const { team, capacity } = deployment()
  const usage = await ledger.usage(team, monthOf(new Date().toISOString()))
  return context.json({
    team,
    region: variable('AWS_REGION'),
    capacity: capacity.map(({ jobQueueArn: _, ...option }) => option),
    budget: { ...usage, limitUsd: monthlyLimitUsd() ?? null },
  } satisfies TeamView)
})
