import { readFileSync } from 'node:fs'
import { RoslinError } from '../../core/errors.ts'
import type { Team } from '../../core/team.ts'
import type { DeploymentOptions } from '../commands/options.ts'
import { accountChecks } from '../doctor/account.ts'
import { capacityChecks } from '../doctor/capacity.ts'
import type { Check } from '../doctor/check.ts'
import { apiChecks, imageCheck } from '../doctor/deployment.ts'
import { machineChecks } from '../doctor/machine.ts'
import { CLI_EXIT } from '../exit-codes.ts'
import { print, printJson } from '../output.ts'
import { resolveSettings } from '../settings.ts'
import { isEmbedded, speakToAws } from '../target.ts'
import { readTeamFile } from '../team-file.ts'

export async function examine(options: DeploymentOptions): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const { team } = resolveSettings(options)
  const checks = [
    ...(await machineChecks()),
    ...(team.value === undefined || (await isEmbedded(options)) ? [] : await awsChecks(options, team.value)),
    ...(await apiChecks(options, version)),
  ]
  if (options.json) printJson(checks)
  else for (const check of checks) print(shown(check))
  if (checks.some(({ ok }) => ok === false)) process.exitCode = CLI_EXIT.failed
}

/** Of a team that is, or is to be, deployed to AWS. */
async function awsChecks(options: DeploymentOptions, name: string): Promise<Check[]> {
  const settings = resolveSettings(options)
  speakToAws(settings)
  const file = teamFile(name)
  const region = settings.region.value ?? file.team?.region
  return [
    ...(await accountChecks(region)),
    file.check,
    ...(file.team ? await capacityChecks(file.team) : []),
    await imageCheck(name, region),
  ]
}

function teamFile(name: string): { readonly check: Check; readonly team?: Team } {
  const check = 'team file'
  try {
    const team = readTeamFile(name)
    const options = team.capacity.map(({ instanceType, purchase }) => `${instanceType} ${purchase}`)
    return { team, check: { check, ok: true, detail: `${team.region}: ${options.join(', ')}` } }
  } catch (error) {
    if (!(error instanceof RoslinError)) throw error
    const issues = error.issues.map(({ path, message }) => ` ${path}: ${message}.`).join('')
    return { check: { check, ok: false, detail: `${error.message}${issues}`, fix: error.nextStep } }
  }
}

function shown({ check, ok, detail, fix }: Check): string {
  const mark = ok === null ? '?' : ok ? '✓' : '✗'
  return `${mark} ${check}: ${detail}${fix ? `\n  ${fix}` : ''}`
}
