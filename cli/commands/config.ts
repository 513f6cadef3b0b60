import type { Command } from 'commander'
import { deploymentCommand, portOption } from './options.ts'

export function addConfigCommand(program: Command): void {
  deploymentCommand(program, 'config')
    .description('what team, region, profile and port are taken, and where each comes from')
    .addOption(portOption())
    .action(async (options) => (await import('../actions/config.ts')).showConfig(options))
}
