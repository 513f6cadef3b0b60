import { type Command, InvalidArgumentError, Option } from 'commander'
import { deploymentCommand } from './options.ts'

export function addEventsCommand(program: Command): void {
  const events = program.command('events').description('tell of what happened elsewhere')

  deploymentCommand(events, 'send')
    .description('start the recipes whose trigger in the team file names this source')
    .argument('<source>', "the trigger's source")
    .addOption(
      new Option('--detail <json>', 'an object to keep with each run that starts')
        .default({}, 'none')
        .argParser(detail),
    )
    .action(async (source, options) => (await import('../actions/events.ts')).sendEvent(source, options))
}

function detail(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError('It must be a JSON object, such as {"ticket": 7}.')
}
