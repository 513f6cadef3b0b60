import type { Command } from 'commander'
import { jobSlotsOption, portOption, trainerOption } from './options.ts'

export function addEmbeddedCommands(program: Command): void {
  program
    .command('up')
    .description('start the embedded AWS on this machine, with a team deployed to it')
    .addOption(portOption())
    .addOption(jobSlotsOption())
    .addOption(trainerOption())
    .option('--team <name>', 'the team to deploy', 'demo')
    .action(async (options) => (await import('../actions/embedded.ts')).bringUp(options))

  program
    .command('down')
    .description('stop the embedded AWS; its runs and models stay on disk')
    .action(async () => (await import('../actions/embedded.ts')).takeDown())
}
