import type { Plan } from '../core/plan.ts'
import { metricsSchema } from '../core/run-files.ts'
import { RUN_FILES } from '../core/storage-layout.ts'
import { meanTokensPerSecond, throughputShape, trainedOn } from '../core/throughput.ts'
import { runs, throughputs } from './clients.ts'
import { logger } from './logger.ts'
import { readJson } from './s3-json.ts'

/** Keeps how fast a run trained, for estimates to come. Whatever goes wrong here, the run has succeeded. */
export async function recordThroughput(plan: Plan, execution: number): Promise<void> {
  try {
    const type = trainedOn((await runs.get(plan.runId))?.attempts ?? [], execution, plan.capacity)
    const metrics = await readJson(`${plan.runUri}${RUN_FILES.metrics}`, metricsSchema)
    const tokensPerSecond = metrics && meanTokensPerSecond(metrics)
    if (type === undefined || tokensPerSecond === undefined) return
    const shape = throughputShape(plan.recipe, plan.baseModel.parameters, type)
    await throughputs.record(plan.team, shape, { runId: plan.runId, tokensPerSecond })
  } catch (error) {
    logger.warn('throughput not recorded', error as Error)
  }
}
