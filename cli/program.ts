import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addChaosCommand } from './commands/chaos.ts'
import { addCompletionCommand } from './commands/completion.ts'
import { addConfigCommand } from './commands/config.ts'
import { addDatasetsCommand } from './commands/datasets.ts'
import { addDoctorCommand } from './commands/doctor.ts'
import { addEmbeddedCommands } from './commands/embedded.ts'
import { addEstimateCommand } from './commands/estimate.ts'
import { addEventsCommand } from './commands/events.ts'
import { addLogsCommand } from './commands/logs.ts'
import { addModelsCommand } from './commands/models.ts'
import { addOpenCommand } from './commands/open.ts'
import { addPricesCommand } from './commands/prices.ts'
import { addRecipesCommand } from './commands/recipes.ts'
import { addRunCommand } from './commands/run.ts'
import { addRunsCommand } from './commands/runs.ts'
import { addSchedulesCommand } from './commands/schedules.ts'
import { addStartCommand } from './commands/start.ts'
import { addTeamCommand } from './commands/team.ts'

/**
 * The whole of the command line. A file of commands/ says what a command takes, and what it does is in actions/, loaded
 * when it runs: `--help` and completion wait for no SDK.
 */
export function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const program = new Command('roslin')
    .description('Fine-tune open language models on AWS, or on this machine.')
    .version(version)
    .exitOverride()
    .showSuggestionAfterError()
  addStartCommand(program)
  addEmbeddedCommands(program)
  addEstimateCommand(program)
  addRunCommand(program)
  addRunsCommand(program)
  addLogsCommand(program)
  addRecipesCommand(program)
  addDatasetsCommand(program)
  addModelsCommand(program)
  addSchedulesCommand(program)
  addEventsCommand(program)
  addOpenCommand(program)
  addPricesCommand(program)
  addTeamCommand(program)
  addDoctorCommand(program)
  addConfigCommand(program)
  addChaosCommand(program)
  addCompletionCommand(program)
  return program
}
