import type { Command } from 'commander'
import { parseTeamName } from '../../core/team.ts'
import { heedInterruption } from '../../local/interruption.ts'
import { down, up } from '../../local/up.ts'
import { say } from '../output.ts'
import { jobSlotsOption, portOption, trainerOption } from './options.ts'

/** The team that is deployed to the embedded AWS where none is named. */
export const DEMO_TEAM = 'demo'

export function addEmbeddedCommands(program: Command): void {
  program
    .command('up')
    .description('start the embedded AWS on this machine, with a team deployed to it')
    .addOption(portOption())
    .addOption(jobSlotsOption())
    .addOption(trainerOption())
    .option('--team <name>', 'the team to deploy', DEMO_TEAM)
    .action(async (options: { port: number; jobSlots: number; trainer?: string; team: string }) => {
      heedInterruption()
      const { embedded } = await up({ ...options, team: parseTeamName(options.team), background: true })
      say(
        `The embedded AWS runs on port ${embedded.port} with team ${embedded.team}; stop it with: npx roslin down`,
      )
    })

  program
    .command('down')
    .description('stop the embedded AWS; its runs and models stay on disk')
    .action(async () => {
      say(
        (await down())
          ? 'The embedded AWS has stopped; `npx roslin up` brings it back as it was.'
          : 'The embedded AWS was not running.',
      )
    })
}
