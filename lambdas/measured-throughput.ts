import { isInstanceType } from '../core/instance-types.ts'
import type { Plan } from '../core/plan.ts'
import { metricsSchema } from '../core/run-files.ts'
import { RUN_FILES } from '../core/storage-layout.ts'
import { meanTokensPerSecond, throughputShape } from '../core/throughput.ts'
import { runs, throughputs } from './clients.ts'
import { logger } from './logger.ts'
import { readJson } from './s3-json.ts'

/**
 * Keeps how fast a run trained, for estimates to come. Only of a run that trained on one kind of machine from start to end:
 * otherwise the figure is of none. Whatever goes wrong here, the run has succeeded.
 */
export async function recordThroughput(plan: Plan): Promise<void> {
  try {
    const type = await trainedOn(plan)
    const metrics = await readJson(`${plan.runUri}${RUN_FILES.metrics}`, metricsSchema)
    const tokensPerSecond = metrics && meanTokensPerSecond(metrics)
    if (type === undefined || tokensPerSecond === undefined) return
    const shape = throughputShape(plan.recipe, plan.baseModel.parameters, type)
    await throughputs.record(plan.team, shape, { runId: plan.runId, tokensPerSecond })
  } catch (error) {
    logger.warn('throughput not recorded', error as Error)
  }
}

async function trainedOn({ runId, capacity }: Plan) {
  const attempts = (await runs.get(runId))?.attempts ?? []
  const types = new Set(
    attempts.filter(({ step }) => step === 'train').map(({ option }) => capacity[option]?.instanceType),
  )
  const [type] = types
  return types.size === 1 && type !== undefined && isInstanceType(type) ? type : undefined
}
