import { existsSync } from 'node:fs'
import { RoslinError } from '../../core/errors.ts'
import { findEmbedded } from '../../local/embedded.ts'
import { endpointOf } from '../../local/emulator.ts'
import { paths, root } from '../../local/paths.ts'
import { missingPrerequisites } from '../../local/prerequisites.mjs'
import { Client } from '../client.ts'
import type { DeploymentOptions } from '../commands/options.ts'
import { CLI_EXIT } from '../exit-codes.ts'
import { print, printJson } from '../output.ts'
import type { Flags } from '../settings.ts'

interface Check {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
  readonly fix?: string
}

export async function examine(options: DeploymentOptions): Promise<void> {
  const checks = [prerequisites(), environment(), await embeddedAws(), await api(options)]
  if (options.json) printJson(checks)
  else
    for (const { check, ok, detail, fix } of checks)
      print(`${ok ? '✓' : '✗'} ${check}: ${detail}${fix ? `\n  ${fix}` : ''}`)
  if (checks.some(({ ok }) => !ok)) process.exitCode = CLI_EXIT.failed
}

function prerequisites(): Check {
  const missing = missingPrerequisites(root, existsSync(paths.venv))
  const check = 'this machine'
  return missing.length === 0
    ? { check, ok: true, detail: 'Node.js, Python and disk are as needed' }
    : { check, ok: false, detail: missing.join(' ') }
}

function environment(): Check {
  const check = 'Python environment'
  if (existsSync(paths.python)) return { check, ok: true, detail: paths.venv }
  return { check, ok: false, detail: 'not installed', fix: '`npx roslin up` installs it.' }
}

async function embeddedAws(): Promise<Check> {
  const embedded = await findEmbedded()
  const check = 'embedded AWS'
  if (embedded) return { check, ok: true, detail: `${endpointOf(embedded.port)}, team ${embedded.team}` }
  return { check, ok: true, detail: 'not running; `npx roslin up` starts it' }
}

async function api(flags: Flags): Promise<Check> {
  const check = 'API'
  try {
    const client = await Client.connect(flags)
    const { target } = client
    const { version } = await client.health()
    return { check, ok: true, detail: `team ${target.team} at ${target.apiUrl}, version ${version}` }
  } catch (error) {
    if (!(error instanceof RoslinError)) throw error
    return { check, ok: false, detail: error.message, fix: error.nextStep }
  }
}
