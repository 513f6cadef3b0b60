import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseTeam, parseTeamName, type Team } from '../core/team.ts'
import { root } from '../local/paths.ts'
import { readYaml } from './yaml-file.ts'

/** @throws RoslinError TEAM_INVALID for a team without a file, or with one that cannot be used. */
export function readTeamFile(name: string, folder = join(root, 'teams')): Team {
  const file = join(folder, `${parseTeamName(name)}.yaml`)
  const teams = globSync('*.yaml', { cwd: folder }).map((there) => basename(there, '.yaml'))
  const nextStep = `The teams with a file: ${teams.sort().join(', ')}. Copy teams/example.yaml for another; \`npx roslin estimate --deployed\` asks its deployment instead.`
  return parseTeam(readYaml(file, 'TEAM_INVALID', nextStep))
}
