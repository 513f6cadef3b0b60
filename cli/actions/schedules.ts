import type { NewSchedule, ScheduleView } from '../../core/schedule.ts'
import { Client } from '../client.ts'
import type { DeploymentOptions } from '../commands/options.ts'
import { sendUp } from '../local-inputs.ts'
import { print, printJson, say } from '../output.ts'
import { checkRecipe } from '../run-and-follow.ts'
import { schedulePage, schedulesTable } from '../schedule-format.ts'

type CreateOptions = DeploymentOptions &
  Required<Pick<NewSchedule, 'timeZone' | 'jitterMinutes' | 'overlap' | 'whenUnchanged'>> & {
    readonly when: string
    readonly set: NonNullable<NewSchedule['overrides']>
    readonly paused?: true
  }

const ACTIONS = { get: 'getSchedule', pause: 'pauseSchedule', resume: 'resumeSchedule' } as const

export async function listSchedules(options: DeploymentOptions): Promise<void> {
  const list = await (await Client.connect(options)).listSchedules()
  if (options.json) printJson(list)
  else print(schedulesTable(list))
}

export async function showSchedule(action: keyof typeof ACTIONS, name: string, options: DeploymentOptions) {
  const client = await Client.connect(options)
  show(await client[ACTIONS[action]](name), options)
}

export async function deleteSchedule(name: string, options: DeploymentOptions): Promise<void> {
  await (await Client.connect(options)).deleteSchedule(name)
  if (options.json) printJson({ deleted: name })
  else say(`Schedule ${name} is gone.`)
}

export async function createSchedule(name: string, file: string, options: CreateOptions): Promise<void> {
  const { when, set, timeZone, jitterMinutes, overlap, whenUnchanged, paused = false } = options
  const { recipe, inputs } = await checkRecipe(file)
  const client = await Client.connect(options)
  const remote = await sendUp(client, recipe, inputs, (text) => say(`· ${text}`))
  const schedule = await client.createSchedule({
    name,
    expression: when,
    timeZone,
    jitterMinutes,
    overlap,
    whenUnchanged,
    paused,
    overrides: set,
    recipe: remote,
  })
  show(schedule, options)
}

function show(schedule: ScheduleView, { json }: DeploymentOptions): void {
  if (json) printJson(schedule)
  else print(schedulePage(schedule))
}
