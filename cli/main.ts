import { CommanderError } from 'commander'
import { RoslinError } from '../core/errors.ts'
import { noProxy } from '../local/no-proxy.ts'
import { CLI_EXIT, exitCodeOf } from './exit-codes.ts'
import { printError, say } from './output.ts'
import { createProgram } from './program.ts'

// `roslin … | head` reads what it wants and goes: that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(CLI_EXIT.ok)
})

// Before anything is fetched from the embedded AWS.
Object.assign(process.env, noProxy())

try {
  await createProgram().parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

function report(error: unknown): number {
  // Commander has said what was wrong with the command line, or printed its help.
  if (error instanceof CommanderError) return error.exitCode === 0 ? CLI_EXIT.ok : CLI_EXIT.usage
  if (error instanceof RoslinError) {
    printError(error, process.argv.includes('--json'))
    return exitCodeOf(error)
  }
  // local/interruption.ts throws it; told by its name, that room is not loaded for it.
  if (error instanceof Error && error.name === 'Interrupted') {
    say('Stopped.')
    return CLI_EXIT.interrupted
  }
  if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') {
    return report(
      new RoslinError('DISK_FULL', `The disk is full: ${error.message}.`, 'Make room, then try again.'),
    )
  }
  throw error
}
