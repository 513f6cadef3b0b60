import { RoslinError } from '../../core/errors.ts'
import { planSchema } from '../../core/plan.ts'
import { manifestSchema } from '../../core/run-files.ts'
import type { RunModel } from '../../core/store/table.ts'
import { models, runs } from '../clients.ts'
import { recordThroughput } from '../measured-throughput.ts'
import { readJson } from '../s3-json.ts'
import { step } from './step.ts'

/** Makes the run's model a numbered version with its lineage and licence, and ends the run. */
export const handler = step(
  async ({ runId, planUri }: { runId: string; planUri: string }): Promise<RunModel> => {
    await runs.advance(runId, 'registering', new Date().toISOString())
    const plan = await readJson(planUri, planSchema)
    if (!plan) throw new Error(`the plan ${planUri} is gone`)
    const manifest = await readJson(`${plan.modelUri}manifest.json`, manifestSchema)
    if (!manifest) {
      throw new RoslinError(
        'MODEL_NOT_FOUND',
        `Training ended well but left no complete model at ${plan.modelUri}: there is no manifest.json.`,
        'A trainer of your own must write the manifest last; docs/container-contract.md says how.',
      )
    }
    const createdAt = new Date().toISOString()
    const model = await models.register({
      name: plan.recipe.name,
      runId,
      uri: plan.modelUri,
      createdAt,
      licence: plan.licence,
      lineage: {
        planUri,
        baseModel: {
          source: plan.baseModel.source,
          ...(plan.baseModel.revision && { revision: plan.baseModel.revision }),
        },
        dataset: { uri: plan.dataset.uri, sha256: plan.dataset.sha256 },
        code: plan.code,
      },
    })
    await recordThroughput(plan)
    await runs.advance(runId, 'succeeded', createdAt, { model })
    return model
  },
)
