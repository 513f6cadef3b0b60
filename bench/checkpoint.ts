import { z } from 'zod'
import type { Bench } from './figure.ts'
import { figure } from './figure.ts'
import { measureOnLoopbackS3 } from './loopback-s3.ts'

const TARGET_LAST_CHECKPOINT_PERCENT = 5
const TARGET_SLOWDOWN_PERCENT = 3
const TARGET_METRICS_CORE_PERCENT = 1

const figuresSchema = z.object({
  epochSeconds: z.number(),
  lastCheckpointSeconds: z.number(),
  uploadSeconds: z.number(),
  stepsBeside: z.object({ givingWay: z.number(), atEqualPriority: z.number(), copyingMemory: z.number() }),
  metricsCoreFraction: z.number(),
})

/** What checkpoints and metrics cost a run: a small model, trained for four epochs with uploads to the embedded S3. */
export async function measure(): Promise<Bench> {
  const found = figuresSchema.parse(await measureOnLoopbackS3('checkpoint.py', ['bench-checkpoint']))
  const { givingWay, atEqualPriority, copyingMemory } = found.stepsBeside
  return {
    name: 'checkpoint',
    figures: [
      figure('epoch', found.epochSeconds, 's'),
      figure('upload of a checkpoint', found.uploadSeconds, 's'),
      figure(
        'last step to last checkpoint in S3, of an epoch',
        (100 * found.lastCheckpointSeconds) / found.epochSeconds,
        '%',
        { target: TARGET_LAST_CHECKPOINT_PERCENT },
      ),
      figure('steps beside uploads without a pause, times those alone', givingWay, '×', {
        baseline: { name: 'at equal priority', value: Number(atEqualPriority.toPrecision(4)) },
      }),
      figure('steps beside a process that copies memory, times those alone', copyingMemory, '×'),
      figure(
        'epoch slower by its upload',
        (100 * (givingWay - 1) * found.uploadSeconds) / found.epochSeconds,
        '%',
        { target: TARGET_SLOWDOWN_PERCENT },
      ),
      figure('metrics, of a core', 100 * found.metricsCoreFraction, '%', {
        target: TARGET_METRICS_CORE_PERCENT,
      }),
    ],
  }
}
