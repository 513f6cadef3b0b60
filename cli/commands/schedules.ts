import { type Command, InvalidArgumentError, Option } from 'commander'
import { parse } from 'yaml'
import type { NewSchedule } from '../../core/schedule.ts'
import { Client } from '../client.ts'
import { sendUp } from '../local-inputs.ts'
import { print, printJson, say } from '../output.ts'
import { checkRecipe } from '../run-and-follow.ts'
import { schedulePage, schedulesTable } from '../schedule-format.ts'
import { findTarget } from '../target.ts'
import { jsonOption, teamOption, wholeNumber } from './options.ts'

interface ReadOptions {
  readonly team?: string
  readonly json?: boolean
}

interface CreateOptions extends ReadOptions {
  readonly when: string
  readonly timeZone: string
  readonly jitterMinutes: number
  readonly overlap: NonNullable<NewSchedule['overlap']>
  readonly whenUnchanged: NonNullable<NewSchedule['whenUnchanged']>
  readonly set: NewSchedule['overrides']
  readonly paused?: boolean
}

export function addSchedulesCommand(program: Command): void {
  const schedules = program.command('schedules').description('runs that start at set times')

  schedules
    .command('list')
    .description('all schedules, when each fires next, and what became of its last firing')
    .addOption(teamOption())
    .addOption(jsonOption())
    .action(async (options: ReadOptions) => {
      const list = await new Client(await findTarget(options.team)).listSchedules()
      if (options.json) printJson(list)
      else print(schedulesTable(list))
    })

  addCreate(schedules)
  addOne(schedules, 'get', 'one schedule: its next three firings and its last ten')
  addOne(schedules, 'pause', 'let it not fire until it is resumed')
  addOne(schedules, 'resume', 'let it fire again; what passed meanwhile is not made up for')

  schedules
    .command('delete')
    .description('take away a schedule that was made here; its runs stay')
    .argument('<name>', "the schedule's name")
    .addOption(teamOption())
    .action(async (name: string, options: ReadOptions) => {
      await new Client(await findTarget(options.team)).deleteSchedule(name)
      say(`Schedule ${name} is gone.`)
    })
}

const ACTIONS = { get: 'getSchedule', pause: 'pauseSchedule', resume: 'resumeSchedule' } as const

function addOne(schedules: Command, action: keyof typeof ACTIONS, description: string): void {
  schedules
    .command(action)
    .description(description)
    .argument('<name>', "the schedule's name")
    .addOption(teamOption())
    .addOption(jsonOption())
    .action(async (name: string, options: ReadOptions) => {
      const schedule = await new Client(await findTarget(options.team))[ACTIONS[action]](name)
      if (options.json) printJson(schedule)
      else print(schedulePage(schedule))
    })
}

function addCreate(schedules: Command): void {
  schedules
    .command('create')
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
        '--set <field=value...>',
        "a field of the recipe, such as training.epochs=3, in place of the file's",
      )
        .default({}, 'none')
        .argParser(override),
    )
    .option('--paused', 'do not let it fire yet')
    .addOption(teamOption())
    .addOption(jsonOption())
    .action(async (name: string, file: string, { when, set, team, json, ...timing }: CreateOptions) => {
      const client = new Client(await findTarget(team))
      const { recipe, inputs } = await checkRecipe(file)
      const remote = await sendUp(client, recipe, inputs, (text) => say(`· ${text}`))
      const schedule = await client.createSchedule({
        ...timing,
        name,
        expression: when,
        overrides: set,
        // As JSON has it: fields that are undefined are not there.
        recipe: JSON.parse(JSON.stringify(remote)),
      })
      if (json) printJson(schedule)
      else print(schedulePage(schedule))
    })
}

/** `training.epochs=3` → {training: {epochs: 3}}, beside those before. The value is YAML, as in the recipe's file. */
function override(text: string, before: Record<string, unknown>): Record<string, unknown> {
  const [, path = '', value = ''] = /^([\w.]+)=(.*)$/s.exec(text) ?? []
  if (!path) throw new InvalidArgumentError('It must be like training.epochs=3.')
  const [first = '', ...rest] = path.split('.')
  if (rest.length === 0) return { ...before, [first]: parse(value) }
  const inner = (before[first] ?? {}) as Record<string, unknown>
  return { ...before, [first]: override(`${rest.join('.')}=${value}`, inner) }
}
