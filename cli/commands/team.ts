import type { Command } from 'commander'
import { deploymentCommand } from './options.ts'

export function addTeamCommand(program: Command): void {
  deploymentCommand(program, 'team')
    .description("the team's capacity options, and its budget this month")
    .action(async (options) => (await import('../actions/team.ts')).showTeam(options))
}
