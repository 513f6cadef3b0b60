// Measurements, one command each: npm run bench -- <name> [--json] [--peers]
import Table from 'cli-table3'
import { Argument, Command } from 'commander'
import type { Bench, BenchOptions } from './figure.ts'

const BENCHES: Readonly<
  Record<string, () => Promise<{ measure: (options: BenchOptions) => Promise<Bench> }>>
> = {
  api: () => import('./api.ts'),
  checkpoint: () => import('./checkpoint.ts'),
  cli: () => import('./cli.ts'),
  flow: () => import('./flow.ts'),
  profile: () => import('./profile.ts'),
  synth: () => import('./synth.ts'),
  trainer: () => import('./trainer.ts'),
  transfer: () => import('./transfer.ts'),
}

const program = new Command('bench')
  .addArgument(new Argument('<name>', 'what to measure').choices(Object.keys(BENCHES)))
  .option('--json', 'print one JSON object')
  .option('--peers', 'measure the peers in the same run; they are installed for that')
  .action(async (name: string, options: { json?: boolean; peers?: boolean }) => {
    const module = await BENCHES[name]?.()
    if (!module) throw new Error(`no bench ${name}`)
    const bench = await module.measure({ peers: options.peers ?? false })
    process.stdout.write(`${options.json ? JSON.stringify(bench) : table(bench)}\n`)
    process.exitCode = bench.figures.some(({ holds }) => holds === false) ? 1 : 0
  })

function table({ figures, notes = [] }: Bench): string {
  const rows = new Table({
    head: ['figure', 'value', 'baseline', 'ratio', 'target'],
    style: { head: [], border: [] },
  })
  for (const { name, value, unit, baseline, target, isLeast, holds } of figures) {
    rows.push([
      name,
      `${value} ${unit}`,
      baseline ? `${baseline.name}: ${baseline.value} ${unit}` : '',
      baseline ? (value / baseline.value).toFixed(2) : '',
      target === null ? '' : `${isLeast ? '≥' : '≤'} ${target} ${unit} ${holds ? '✓' : '✗'}`,
    ])
  }
  return [rows.toString(), ...notes].join('\n')
}

await program.parseAsync()
