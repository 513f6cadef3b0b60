import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../local/paths.ts'
import { type Bench, figure, median } from './figure.ts'

const REPETITIONS = 20
/** What a person takes for at once. */
const TARGET_MILLISECONDS = 150

const NODE: readonly string[] = ['-e', '0']
const COMMANDS: readonly (readonly string[])[] = [
  ['--help'],
  ['runs', 'list', '--help'],
  ['completion', 'bash'],
]

/** How long the command takes to start, beside Node.js that does nothing; in turns, the first time of each left out. */
export async function measure(): Promise<Bench> {
  const all = [NODE, ...COMMANDS.map((args) => [join(root, 'cli/bin.mjs'), ...args])]
  for (const args of all) milliseconds(args)
  const rounds = Array.from({ length: REPETITIONS }, () => all.map(milliseconds))
  const [baseline = Number.NaN, ...values] = all.map((_, index) =>
    median(rounds.map((round) => round[index] ?? 0)),
  )
  return {
    name: 'cli',
    figures: COMMANDS.map((args, index) =>
      figure(`roslin ${args.join(' ')}`, values[index] ?? Number.NaN, 'ms', {
        target: TARGET_MILLISECONDS,
        baseline: { name: 'node -e 0', value: Number(baseline.toPrecision(4)) },
      }),
    ),
    notes: [
      `Medians of ${REPETITIONS}, after a first start that fills the compile cache (.roslin/compile-cache). npx takes its own time before it.`,
    ],
  }
}

function milliseconds(args: readonly string[]): number {
  const began = performance.now()
  const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' })
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}`)
  return performance.now() - began
}
