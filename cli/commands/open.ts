import type { Command } from 'commander'
import { deploymentCommand } from './options.ts'

export function addOpenCommand(program: Command): void {
  deploymentCommand(program, 'open')
    .description("print where to look at a run: its execution in AWS's console, or the embedded API's answer")
    .argument('<run>', "the run's id")
    .action(async (runId, options) => (await import('../actions/open.ts')).openRun(runId, options))
}
