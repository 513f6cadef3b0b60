import { type Command, InvalidArgumentError, Option } from 'commander'
import { deploymentCommand, wholeNumber } from './options.ts'

export function addSchedulesCommand(program: Command): void {
  const schedules = program.command('schedules').description('runs that start at set times')

  deploymentCommand(schedules, 'list')
    .description('all schedules, when each fires next, and what became of its last firing')
    .action(async (options) => (await import('../actions/schedules.ts')).listSchedules(options))

  addCreate(schedules)
  addOne(schedules, 'get', 'one schedule: its next three firings and its last ten')
  addOne(schedules, 'pause', 'let it not fire until it is resumed')
  addOne(schedules, 'resume', 'let it fire again; what passed meanwhile is not made up for')

  deploymentCommand(schedules, 'delete')
    .description('take away a schedule that was made here; its runs stay')
    .argument('<name>', "the schedule's name")
    .action(async (name, options) => (await import('../actions/schedules.ts')).deleteSchedule(name, options))
}

function addOne(schedules: Command, name: 'get' | 'pause' | 'resume', description: string): void {
  deploymentCommand(schedules, name)
    .description(description)
    .argument('<name>', "the schedule's name")
    .action(async (schedule, options) =>
      (await import('../actions/schedules.ts')).showSchedule(name, schedule, options),
    )
}

function addCreate(schedules: Command): void {
  deploymentCommand(schedules, 'create')
    .description('start runs of a recipe at set times; its local data and model are sent up once, now')
    .argument('<name>', 'lower-case letters, digits and hyphens')
    .argument('<recipe>', 'a recipe file')
    .requiredOption('--when <expression>', "'cron(0 2 ? * SAT *)' or 'rate(7 days)'")
    .option('--time-zone <name>', 'of a cron, such as Europe/London', 'UTC')
    .addOption(
      new Option('--jitter-minutes <minutes>', 'fire at some time within so many')
        .default(0)
        .argParser((text) => wholeNumber(text, 0, 1440)),
    )
    .addOption(
      new Option('--overlap <policy>', 'when its last run has not ended')
        .choices(['skip', 'queue', 'cancel-previous'])
        .default('skip'),
    )
    .addOption(
      new Option(
        '--when-unchanged <policy>',
        'when data, model, recipe and code are those of its last success',
      )
        .choices(['skip', 'run'])
        .default('skip'),
    )
    .addOption(
      new Option(
        '--set <field=value>',
        "a field of the recipe in place of the file's, such as training.epochs=3",
      )
        .default({}, 'none')
        .argParser(override),
    )
    .option('--paused', 'do not let it fire yet')
    .action(async (name, file, options) =>
      (await import('../actions/schedules.ts')).createSchedule(name, file, options),
    )
}

/** `training.epochs=3` → {training: {epochs: 3}}, beside those before. The value is JSON, or text as it is. */
function override(text: string, before: Record<string, unknown>): Record<string, unknown> {
  const [, path = '', value = ''] = /^([A-Za-z][\w.]*)=(.*)$/s.exec(text) ?? []
  if (!path) throw new InvalidArgumentError('It must be like training.epochs=3.')
  const [first = '', ...rest] = path.split('.')
  if (rest.length === 0) return { ...before, [first]: jsonOrText(value) }
  const inner = (before[first] ?? {}) as Record<string, unknown>
  return { ...before, [first]: override(`${rest.join('.')}=${value}`, inner) }
}

function jsonOrText(value: string): unknown {
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}
