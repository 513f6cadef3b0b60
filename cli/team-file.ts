import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { RoslinError } from '../core/errors.ts'
import { parseTeam, parseTeamName, type Team } from '../core/team.ts'
import { root } from '../local/paths.ts'

/** @throws RoslinError TEAM_INVALID for a team without a file, or with one that cannot be used. */
export function readTeamFile(name: string): Team {
  const file = join(root, 'teams', `${parseTeamName(name)}.yaml`)
  if (existsSync(file)) return parseTeam(parse(readFileSync(file, 'utf8')))
  throw new RoslinError(
    'TEAM_INVALID',
    `There is no file teams/${name}.yaml.`,
    'Copy teams/example.yaml to it; or ask the deployment of the team itself, with --deployed.',
  )
}
