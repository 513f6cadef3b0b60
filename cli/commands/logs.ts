import type { Command } from 'commander'
import { deploymentCommand } from './options.ts'

export function addLogsCommand(program: Command): void {
  deploymentCommand(program, 'logs')
    .description("what a run's containers have printed")
    .argument('<run>', "the run's id")
    .option('-f, --follow', 'go on until the run has ended')
    .action(async (runId, options) => (await import('../actions/logs.ts')).showLogs(runId, options))
}
