import type { Plan } from '../../core/plan.ts'
import type { NewModelVersion } from '../../core/store/model-store.ts'

/** What a plan's model is registered as: where it lies, what it was made from, and what may be done with it. */
export function newModelVersion(
  plan: Plan,
  planUri: string,
  uri: string,
  createdAt: string,
): NewModelVersion {
  const { baseModel, dataset } = plan
  return {
    name: plan.recipe.name,
    runId: plan.runId,
    uri,
    createdAt,
    licence: plan.licence,
    lineage: {
      planUri,
      baseModel: {
        source: baseModel.source,
        ...(baseModel.revision && { revision: baseModel.revision }),
      },
      dataset: { uri: dataset.uri, sha256: dataset.sha256 },
      code: plan.code,
    },
  }
}
