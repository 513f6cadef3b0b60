import { RoslinError } from '../../core/errors.ts'
import { manifestSchema } from '../../core/run-files.ts'
import type { RunModel } from '../../core/store/table.ts'
import { models, runs } from '../clients.ts'
import { finalMetrics } from '../final-metrics.ts'
import { recordThroughput } from '../measured-throughput.ts'
import { readJson, readPlan } from '../s3-json.ts'
import { settleIfDone } from '../settle.ts'
import { enter } from './enter.ts'
import { newModelVersion } from './model-version.ts'
import { step } from './step.ts'

interface EvaluatedRun {
  readonly runId: string
  readonly execution: number
  readonly planUri: string
}

/** Makes the run's model a numbered version with its lineage and licence, and ends the run. */
export const handler = step(async ({ runId, execution, planUri }: EvaluatedRun): Promise<RunModel> => {
  await enter(runId, execution, 'registering')
  const plan = await readPlan(planUri)
  if (!plan) throw new Error(`the plan ${planUri} is gone`)
  const manifest = await readJson(`${plan.modelUri}manifest.json`, manifestSchema)
  if (!manifest) {
    throw new RoslinError(
      'MODEL_NOT_FOUND',
      `Training ended well but left no complete model at ${plan.modelUri}: there is no manifest.json.`,
      'A trainer of your own must write the manifest last; docs/container-contract.md says how.',
    )
  }
  const at = new Date().toISOString()
  const model = await models.register(newModelVersion(plan, planUri, plan.modelUri, at))
  await recordThroughput(plan, execution)
  const metrics = await finalMetrics(plan)
  const details = { model, ...(metrics && { metrics }) }
  await runs.advance(runId, { status: 'succeeded', at, moment: { execution }, details })
  await settleIfDone(runId)
  return model
})
