import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { run } from '../local/command.ts'
import { paths, root } from '../local/paths.ts'
import { withProgress } from '../local/progress.ts'
import { ensurePython } from '../local/python.ts'
import type { Bench, Figure } from './figure.ts'
import { figure } from './figure.ts'

/** Issue 4: how many times the samples per second of the published recipe, by the number of ranks. */
const TARGET_TIMES = { 1: 3.2, 2: 3.8 } as const
const TARGET_LOSS_DIFFERENCE = 1e-5
const TARGET_GRADIENT_DIFFERENCE = 1e-6
const MODELS = { gptj: 'GPT-J', neox: 'GPT-NeoX' } as const

const reportSchema = z.object({
  parametersMillion: z.number(),
  samplesPerSecond: z.object({ ours: z.number(), theirs: z.number() }),
  lossDifference: z.number(),
  gradientDifference: z.number(),
  slotsPerToken: z.number(),
  meanTokens: z.number(),
  floor: z.number(),
})

/** The trainer's engine against Dolly's recipe as published: same model, rows in each step, precision and gradients. */
export async function measure(): Promise<Bench> {
  await ensurePython()
  const figures: Figure[] = []
  const notes: string[] = []
  for (const ranks of [1, 2] as const) {
    for (const model of ['gptj', 'neox'] as const) {
      const report = await speed(model, ranks)
      const name = `${MODELS[model]}, ${ranks === 1 ? '1 process' : `${ranks} ranks`}, float32`
      const { ours, theirs } = report.samplesPerSecond
      figures.push(
        figure(name, ours, 'samples/s', {
          baseline: { name: 'as published', value: Number(theirs.toPrecision(4)) },
        }),
        figure(`${name}: times the published recipe`, ours / theirs, '×', {
          target: TARGET_TIMES[ranks],
          isLeast: true,
        }),
        figure(`${name}: step losses differ by`, report.lossDifference, '', {
          target: TARGET_LOSS_DIFFERENCE,
        }),
        figure(`${name}: gradients differ by`, report.gradientDifference, '', {
          target: TARGET_GRADIENT_DIFFERENCE,
        }),
        figure(`${name}: time over the floor`, report.floor, '×'),
      )
      notes.push(
        `${name}: ${report.parametersMillion.toFixed(1)} M parameters; rows have ${report.meanTokens.toFixed(0)} tokens ` +
          `in the mean, and the published recipe computes ${report.slotsPerToken.toFixed(2)} slots for each.`,
      )
    }
  }
  notes.push(
    'The floor: FLOPs of the real tokens (the head where something is learned, causal attention) at the rate of a plain product.',
    bf16Note(),
  )
  return { name: 'trainer', figures, notes }
}

async function speed(model: keyof typeof MODELS, ranks: 1 | 2): Promise<z.output<typeof reportSchema>> {
  const program = join(root, 'bench/trainer_speed.py')
  const launcher =
    ranks === 1 ? [] : ['-m', 'torch.distributed.run', '--standalone', `--nproc-per-node=${ranks}`]
  const env = {
    ...process.env,
    OMP_NUM_THREADS: '1',
    DS_ACCELERATOR: 'cpu',
    PYTHONPATH: join(root, 'containers/trainer/src'),
  }
  return withProgress(`${MODELS[model]} on ${ranks} ${ranks === 1 ? 'core' : 'cores'}`, async () => {
    const output = await run(paths.python, [...launcher, program, model], { env })
    const line = output.split('\n').find((text) => text.startsWith('{'))
    return reportSchema.parse(JSON.parse(line ?? ''))
  })
}

function bf16Note(): string {
  const processor = readFileSync('/proc/cpuinfo', 'utf8')
  const has = /\b(amx_bf16|avx512_bf16)\b/.exec(processor)?.[0]
  const why = has
    ? `the processor has ${has}, but the trainer computes in float32 on a CPU`
    : 'the processor has neither AMX nor AVX512-BF16'
  return `bf16: not measured; ${why}.`
}
