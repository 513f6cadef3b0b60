import { RoslinError } from '../../core/errors.ts'
import type { Plan } from '../../core/plan.ts'
import { RUN_FILES } from '../../core/storage-layout.ts'
import { runs } from '../clients.ts'
import { deployment } from '../environment.ts'
import { planRecipe } from '../pinning.ts'
import { writeJson } from '../s3-json.ts'
import { step } from './step.ts'

/** Pins and prices the run's recipe, writes plan.json, and gives the state machine what it needs of it. */
export const handler = step(async ({ runId }: { runId: string }): Promise<Planned> => {
  await runs.advance(runId, 'planning', now())
  const stored = await runs.get(runId)
  if (!stored) throw new RoslinError('RUN_NOT_FOUND', `There is no run ${runId}.`, 'Start runs through the API.')
  const plan = await planRecipe({ runId, createdAt: stored.run.createdAt }, stored.run.recipe, deployment())
  const planUri = `${plan.runUri}${RUN_FILES.plan}`
  await writeJson(planUri, plan)
  const [first] = plan.capacity
  await runs.advance(runId, 'preparing', now(), {
    planUri,
    ...(first && {
      capacity: { instanceType: first.instanceType, purchase: first.purchase, priceUsdPerHour: first.priceUsdPerHour },
    }),
  })
  return { planUri, steps: plan.steps }
})

interface Planned {
  readonly planUri: string
  readonly steps: Plan['steps']
}

const now = () => new Date().toISOString()
