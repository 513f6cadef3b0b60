import { existsSync } from 'node:fs'
import { findEmbedded } from '../../local/embedded.ts'
import { endpointOf } from '../../local/emulator.ts'
import { paths, root } from '../../local/paths.ts'
import { missingPrerequisites } from '../../local/prerequisites.mjs'
import { pythonRuns } from '../../local/python.ts'
import type { Check } from './check.ts'

/** This machine, and what runs on it. */
export async function machineChecks(): Promise<Check[]> {
  return [prerequisites(), environment(), await embeddedAws()]
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
  if (pythonRuns()) return { check, ok: true, detail: paths.venv }
  const detail = existsSync(paths.venv) ? `the Python of ${paths.venv} does not run` : 'not installed'
  return { check, ok: false, detail, fix: '`npx roslin up` installs it.' }
}

async function embeddedAws(): Promise<Check> {
  const embedded = await findEmbedded()
  const check = 'embedded AWS'
  if (embedded) return { check, ok: true, detail: `${endpointOf(embedded.port)}, team ${embedded.team}` }
  return { check, ok: true, detail: 'not running; `npx roslin up` starts it' }
}
