import type { Command } from 'commander'
import { RoslinError } from '../../core/errors.ts'
import { type Chaos, endChaos, readChaos, setChaos } from '../../local/chaos.ts'
import { findEmbedded } from '../../local/embedded.ts'
import { print, printJson, say } from '../output.ts'
import { readYaml } from '../yaml-file.ts'
import { jsonOption } from './options.ts'

export function addChaosCommand(program: Command): void {
  const chaos = program.command('chaos').description('break the embedded AWS on purpose: docs/chaos.md')

  chaos
    .command('show')
    .description('the rules in force, and how often each has applied')
    .addOption(jsonOption())
    .action(async ({ json }: { json?: boolean }) => {
      const now = await readChaos(await port())
      if (json) return printJson(now)
      show(now)
    })

  chaos
    .command('set')
    .description('what is to go wrong from now on, in place of what was set before')
    .argument('<file>', 'YAML: rules, and a timeScale where one is wanted')
    .option('--add', 'beside what was set before')
    .action(async (file: string, { add }: { add?: boolean }) => {
      show(await setChaos(await port(), readYaml(file, 'CHAOS_INVALID'), add))
    })

  chaos
    .command('off')
    .description('nothing goes wrong on purpose any more')
    .action(async () => {
      await endChaos(await port())
      say('Chaos is off.')
    })
}

async function port(): Promise<number> {
  const embedded = await findEmbedded()
  if (embedded) return embedded.port
  throw new RoslinError(
    'DEPLOYMENT_NOT_FOUND',
    'The embedded AWS is not running; only there can things be broken on purpose.',
    'Start it with `npx roslin up`.',
  )
}

function show({ rules, timeScale }: Chaos): void {
  if (timeScale !== 1) print(`A second of a queue's time limit takes ${timeScale} s.`)
  if (rules.length === 0) print('Nothing goes wrong on purpose.')
  for (const { kind, applied, ...fields } of rules) {
    const given = Object.entries(fields).map(([name, value]) => `${name}=${value}`)
    print([kind, ...given, `(applied ${applied}×)`].join(' '))
  }
}
