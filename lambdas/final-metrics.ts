import type { Plan } from '../core/plan.ts'
import { metricsSchema } from '../core/run-files.ts'
import type { FinalMetrics } from '../core/run-view.ts'
import { RUN_FILES } from '../core/storage-layout.ts'
import { meanTokensPerSecond } from '../core/throughput.ts'
import { logger } from './logger.ts'
import { readJson } from './s3-json.ts'

/** What the run's training came to, for its place in lists. Whatever goes wrong here, the run has succeeded. */
export async function finalMetrics({ runUri }: Plan): Promise<FinalMetrics | undefined> {
  try {
    const metrics = await readJson(`${runUri}${RUN_FILES.metrics}`, metricsSchema)
    if (!metrics) return undefined
    const { lossFirst, lossLast, heldOutLoss, elapsedSeconds } = metrics
    return {
      lossFirst,
      lossLast,
      heldOutLoss,
      tokensPerSecond: meanTokensPerSecond(metrics) ?? null,
      trainingHours: elapsedSeconds ? elapsedSeconds / 3600 : null,
    }
  } catch (error) {
    logger.warn('final metrics not recorded', error as Error)
    return undefined
  }
}
