import type { Command } from 'commander'
import { jsonOption } from './options.ts'

export function addChaosCommand(program: Command): void {
  const chaos = program.command('chaos').description('break the embedded AWS on purpose: docs/chaos.md')

  chaos
    .command('show')
    .description('the rules in force, and how often each has applied')
    .addOption(jsonOption())
    .action(async (options) => (await import('../actions/chaos.ts')).showChaos(options))

  chaos
    .command('set')
    .description('what is to go wrong from now on, in place of what was set before')
    .argument('<file>', 'YAML: rules, and a timeScale where one is wanted')
    .option('--add', 'beside what was set before')
    .action(async (file, options) => (await import('../actions/chaos.ts')).makeChaos(file, options))

  chaos
    .command('off')
    .description('nothing goes wrong on purpose any more')
    .action(async () => (await import('../actions/chaos.ts')).stopChaos())
}
