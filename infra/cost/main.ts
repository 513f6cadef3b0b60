// npm run cost -- -c team=<name> [--json]: what the team's deployment costs while nothing runs, from its templates.
import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { RoslinError } from '../../core/errors.ts'
import { costAtRest } from './at-rest.ts'
import { formatCost } from './format.ts'
import { LIST_PRICES, PRICES_AS_OF } from './list-prices.ts'
import type { Resources } from './template.ts'

const root = join(import.meta.dirname, '../..')

const { values } = parseArgs({
  options: {
    context: { type: 'string', short: 'c', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
  },
})
const folder = mkdtempSync(join(tmpdir(), 'roslin-cost-'))
try {
  synthesise(folder, values.context)
  const { resources, builtImages } = readAssembly(folder)
  const cost = costAtRest(resources, builtImages)
  const team = values.context.find((entry) => entry.startsWith('team='))?.slice('team='.length) ?? ''
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ team, pricesAsOf: PRICES_AS_OF, ...cost, prices: LIST_PRICES }, null, 2)}\n`
      : formatCost(team, cost),
  )
} catch (error) {
  if (!(error instanceof RoslinError)) throw error
  process.stderr.write(`${error.code}: ${error.message}\n${error.nextStep}\n`)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** The app says itself what is wrong, such as that no team was given. */
function synthesise(output: string, context: readonly string[]): void {
  const args = ['synth', '--quiet', '--output', output, ...context.flatMap((entry) => ['-c', entry])]
  const cdk = join(root, 'node_modules/.bin/cdk')
  const { status, stderr } = spawnSync(cdk, args, { cwd: root, encoding: 'utf8' })
  if (status === 0) return
  process.stderr.write(stderr)
  rmSync(output, { recursive: true, force: true })
  process.exit(1)
}

function readAssembly(output: string): { readonly resources: Resources; readonly builtImages: number } {
  const read = (pattern: string) =>
    globSync(pattern, { cwd: output }).map((file) => JSON.parse(readFileSync(join(output, file), 'utf8')))
  const resources = Object.assign({}, ...read('*.template.json').map(({ Resources }) => Resources))
  const images = read('*.assets.json').flatMap(({ dockerImages = {} }) => Object.keys(dockerImages))
  return { resources, builtImages: new Set(images).size }
}
