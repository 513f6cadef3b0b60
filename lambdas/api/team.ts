import { monthOf } from '../../core/budget.ts'
import { ledger } from '../clients.ts'
import { concurrentRuns, deployment, monthlyLimitUsd, variable } from '../environment.ts'
import type { Handlers } from './serve.ts'

export const getHealth: Handlers['getHealth'] = () => ({
  team: variable('TEAM'),
  version: variable('CODE_VERSION'),
})

/** The team's capacity options in order, what of this month's budget is spent and reserved, and how many runs are open. */
export const getTeam: Handlers['getTeam'] = async () => {
  const { team, region, capacity } = deployment()
  const [usage, open] = await Promise.all([
    ledger.usage(team, monthOf(new Date().toISOString())),
    ledger.openRuns(team),
  ])
  return {
    team,
    region,
    capacity: capacity.map(({ jobQueueArn: _, multiNodeJobDefinitionArn: __, ...option }) => option),
    budget: { ...usage, limitUsd: monthlyLimitUsd() ?? null },
    concurrentRuns: { limit: concurrentRuns(), open },
  }
}
