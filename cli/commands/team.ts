import type { Command } from 'commander'
import { Client } from '../client.ts'
import { teamPage } from '../format.ts'
import { print, printJson } from '../output.ts'
import { findTarget } from '../target.ts'
import { jsonOption, teamOption } from './options.ts'

export function addTeamCommand(program: Command): void {
  program
    .command('team')
    .description("the team's capacity options, and its budget this month")
    .addOption(teamOption())
    .addOption(jsonOption())
    .action(async (options: { team?: string; json?: boolean }) => {
      const team = await new Client(await findTarget(options.team)).getTeam()
      if (options.json) printJson(team)
      else print(teamPage(team))
    })
}
