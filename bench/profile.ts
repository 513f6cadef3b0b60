import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { z } from 'zod'
import { profileSchema } from '../core/run-files.ts'
import { paths, root } from '../local/paths.ts'
import { ensurePython } from '../local/python.ts'
import type { Bench } from './figure.ts'
import { figure } from './figure.ts'

/** A core's share and memory that a training run does not notice. */
const TARGET_CORE_PERCENT = 1
const TARGET_MEMORY_MIB = 50
const MIB = 2 ** 20

const feedSchema = z.object({
  samples: z.number(),
  simulatedSeconds: z.number(),
  cpuSeconds: z.number(),
  addedBytes: z.number(),
  largestObjectBytes: z.number(),
  profile: profileSchema,
})

/** 30 hours of 8 GPUs at 1 Hz through the trainer's own profile, written as often as in a run; storage itself is not counted. */
export async function measure(): Promise<Bench> {
  await ensurePython()
  const output = execFileSync(paths.python, [join(root, 'bench/profile_feed.py')], {
    env: {
      ...process.env,
      PYTHONPATH: join(root, 'containers/trainer/src'),
      OMP_NUM_THREADS: '1',
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    encoding: 'utf8',
    maxBuffer: 64 * MIB,
  })
  const fed = feedSchema.parse(JSON.parse(output.trim().split('\n').at(-1) ?? ''))
  const { summary, series } = fed.profile
  if (summary.gpus.length !== 8 || Math.abs(summary.hours - 30) > 0.01) {
    throw new Error(`the profile is not of 8 GPUs over 30 hours: ${JSON.stringify(summary).slice(0, 200)}`)
  }
  return {
    name: 'profile',
    figures: [
      figure('samples of a GPU', fed.samples, 'samples'),
      figure('processor', (100 * fed.cpuSeconds) / fed.simulatedSeconds, '% of a core', {
        target: TARGET_CORE_PERCENT,
      }),
      figure('memory added', fed.addedBytes / MIB, 'MiB', { target: TARGET_MEMORY_MIB }),
      figure('largest object', fed.largestObjectBytes / MIB, 'MiB'),
      figure('points of a series at the end', series.seconds.length, 'points'),
    ],
  }
}
