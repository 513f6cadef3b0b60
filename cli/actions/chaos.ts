import { RoslinError } from '../../core/errors.ts'
import { type Chaos, endChaos, readChaos, setChaos } from '../../local/chaos.ts'
import { findEmbedded } from '../../local/embedded.ts'
import { print, printJson, say } from '../output.ts'
import { readYaml } from '../yaml-file.ts'

export async function showChaos({ json }: { json?: true }): Promise<void> {
  const now = await readChaos(await port())
  if (json) return printJson(now)
  show(now)
}

export async function makeChaos(file: string, { add }: { add?: true }): Promise<void> {
  show(await setChaos(await port(), readYaml(file, 'CHAOS_INVALID'), add))
}

export async function stopChaos(): Promise<void> {
  await endChaos(await port())
  say('Chaos is off.')
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
