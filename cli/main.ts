import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { RoslinError } from '../core/errors.ts'
import { Interrupted } from '../local/interruption.ts'
import { addChaosCommand } from './commands/chaos.ts'
import { addDoctorCommand } from './commands/doctor.ts'
import { addEmbeddedCommands } from './commands/embedded.ts'
import { addEstimateCommand } from './commands/estimate.ts'
import { addLogsCommand } from './commands/logs.ts'
import { addPricesCommand } from './commands/prices.ts'
import { addRunCommand } from './commands/run.ts'
import { addRunsCommand } from './commands/runs.ts'
import { addSchedulesCommand } from './commands/schedules.ts'
import { addStartCommand } from './commands/start.ts'
import { addTeamCommand } from './commands/team.ts'
import { CLI_EXIT, exitCodeOf } from './exit-codes.ts'
import { printError, say } from './output.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

const program = new Command('roslin')
  .description('Fine-tune open language models on AWS, or on this machine.')
  .version(version)
program.exitOverride().showSuggestionAfterError()
addStartCommand(program)
addEmbeddedCommands(program)
addEstimateCommand(program)
addRunCommand(program)
addRunsCommand(program)
addLogsCommand(program)
addSchedulesCommand(program)
addPricesCommand(program)
addTeamCommand(program)
addDoctorCommand(program)
addChaosCommand(program)

// `roslin … | head` reads what it wants and goes: that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(CLI_EXIT.ok)
})

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

function report(error: unknown): number {
  // Commander has said what was wrong with the command line, or printed its help.
  if (error instanceof CommanderError) return error.exitCode === 0 ? CLI_EXIT.ok : CLI_EXIT.usage
  if (error instanceof Interrupted) {
    say('Stopped.')
    return CLI_EXIT.interrupted
  }
  if (error instanceof RoslinError) {
    printError(error, process.argv.includes('--json'))
    return exitCodeOf(error)
  }
  if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') {
    return report(
      new RoslinError('DISK_FULL', `The disk is full: ${error.message}.`, 'Make room, then try again.'),
    )
  }
  throw error
}
