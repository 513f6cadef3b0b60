import { join } from 'node:path'
import { z } from 'zod'
import { run } from '../local/command.ts'
import { paths, root } from '../local/paths.ts'
import { withProgress } from '../local/progress.ts'
import { ensurePython } from '../local/python.ts'
import type { Bench, Figure } from './figure.ts'
import { figure } from './figure.ts'

/** What is timed, and how many times the samples per second of the published recipe are asked for. */
interface Comparison {
  readonly ranks: 1 | 2
  readonly ours: 'fp32' | 'bf16'
  readonly theirs: 'fp32' | 'bf16'
  readonly targetTimes?: number
}

const COMPARISONS: readonly Comparison[] = [
  { ranks: 1, ours: 'fp32', theirs: 'fp32', targetTimes: 3.2 },
  { ranks: 2, ours: 'fp32', theirs: 'fp32', targetTimes: 3.8 },
  { ranks: 1, ours: 'bf16', theirs: 'fp32' },
  { ranks: 1, ours: 'bf16', theirs: 'bf16', targetTimes: 4.5 },
  { ranks: 2, ours: 'bf16', theirs: 'bf16' },
]
const TARGET_LOSS_DIFFERENCE = 1e-5
const TARGET_GRADIENT_DIFFERENCE = 1e-6
const SUM = 'the sum of 2 ranks’ gradients'
const MODELS = { gptj: 'GPT-J', neox: 'GPT-NeoX' } as const

const env = {
  ...process.env,
  OMP_NUM_THREADS: '1',
  PYTHONPATH: join(root, 'containers/trainer/src'),
}

const reportSchema = z.object({
  parametersMillion: z.number(),
  samplesPerSecond: z.object({ ours: z.number(), theirs: z.number() }),
  lossDifference: z.number(),
  gradientDifference: z.number(),
  slotsPerToken: z.number(),
  meanTokens: z.number(),
  floor: z.number(),
})

const rowsSchema = z.object({
  rows: z.array(z.object({ tokens: z.number(), productsMs: z.number(), sdpaMs: z.number() })),
})

const sumSchema = z.object({ parametersMillion: z.number(), oursMs: z.number(), glooMs: z.number() })

/** The trainer's engine against Dolly's recipe as published: same model, rows in each step, precision and gradients. */
export async function measure(): Promise<Bench> {
  await ensurePython()
  const figures: Figure[] = []
  const notes: string[] = []
  const asked = await run(paths.python, ['-c', 'from roslin_trainer import host; print(host.has_bf16())'], {
    env,
  })
  const hasBf16 = asked.trim() === 'True'
  for (const comparison of COMPARISONS.filter(({ ours }) => ours === 'fp32' || hasBf16)) {
    for (const model of ['gptj', 'neox'] as const) {
      const report = await speed(model, comparison)
      const name = nameOf(model, comparison)
      const { ours, theirs } = report.samplesPerSecond
      figures.push(
        figure(name, ours, 'samples/s', {
          baseline: { name: 'as published', value: Number(theirs.toPrecision(4)) },
        }),
        figure(`${name}: times the published recipe`, ours / theirs, '×', {
          ...(comparison.targetTimes && { target: comparison.targetTimes, isLeast: true }),
        }),
        figure(`${name}: step losses differ by`, report.lossDifference, '', {
          ...(comparison.ours === 'fp32' && { target: TARGET_LOSS_DIFFERENCE }),
        }),
        figure(`${name}: gradients differ by`, report.gradientDifference, '', {
          ...(comparison.ours === 'fp32' && { target: TARGET_GRADIENT_DIFFERENCE }),
        }),
        figure(`${name}: time over the floor`, report.floor, '×'),
      )
      notes.push(
        `${name}: ${report.parametersMillion.toFixed(1)} M parameters; rows have ${report.meanTokens.toFixed(0)} tokens ` +
          `in the mean, and the published recipe computes ${report.slotsPerToken.toFixed(2)} slots for each.`,
      )
    }
  }
  for (const precision of hasBf16 ? (['fp32', 'bf16'] as const) : (['fp32'] as const)) {
    figures.push(...(await attentionOfRows(precision)))
  }
  figures.push(await sumOfGradients())
  notes.push(
    'The floor: FLOPs of the real tokens (the head where something is learned, causal attention) at the rate of a plain product.',
    ...(hasBf16 ? [] : ['bf16: not measured; the processor has none.']),
  )
  return { name: 'trainer', figures, notes }
}

function nameOf(model: keyof typeof MODELS, { ranks, ours, theirs }: Comparison): string {
  const precision = ours === theirs ? ours : `${ours} against ${theirs}`
  return `${MODELS[model]}, ${ranks === 1 ? '1 process' : `${ranks} ranks`}, ${precision}`
}

function speed(model: keyof typeof MODELS, comparison: Comparison): Promise<z.output<typeof reportSchema>> {
  const { ranks, ours, theirs } = comparison
  return ask(nameOf(model, comparison), ranks, ['trainer_speed.py', model, ours, theirs], reportSchema)
}

async function attentionOfRows(precision: 'fp32' | 'bf16'): Promise<readonly Figure[]> {
  const name = `attention by products, ${precision}`
  const { rows } = await ask(name, 1, ['row_products.py', precision], rowsSchema)
  return rows.map(({ tokens, productsMs, sdpaMs }) =>
    figure(`${name}, a row of ${tokens} tokens`, productsMs, 'ms', {
      baseline: { name: 'by SDPA', value: Number(sdpaMs.toPrecision(4)) },
    }),
  )
}

async function sumOfGradients(): Promise<Figure> {
  const { parametersMillion, oursMs, glooMs } = await ask(SUM, 2, ['gradient_sum.py', 'neox'], sumSchema)
  return figure(`${SUM}, ${parametersMillion.toFixed(1)} M`, oursMs, 'ms', {
    baseline: { name: 'by gloo', value: Number(glooMs.toPrecision(4)) },
  })
}

/** What a program of `bench/` reports in a line of JSON. */
function ask<Report>(
  name: string,
  ranks: 1 | 2,
  [program, ...words]: readonly [string, ...string[]],
  schema: z.ZodType<Report>,
): Promise<Report> {
  const launcher =
    ranks === 1 ? [] : ['-m', 'torch.distributed.run', '--standalone', `--nproc-per-node=${ranks}`]
  return withProgress(name, async () => {
    const output = await run(paths.python, [...launcher, join(root, 'bench', program), ...words], { env })
    const line = output.split('\n').find((text) => text.startsWith('{'))
    return schema.parse(JSON.parse(line ?? ''))
  })
}
