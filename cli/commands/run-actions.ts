import { type Command, Option } from 'commander'
import { type FlowStep, STEPS } from '../../core/run.ts'
import { Client } from '../client.ts'
import { runPage } from '../format.ts'
import { print, printJson, say } from '../output.ts'
import { findTarget } from '../target.ts'
import { jsonOption, positive, teamOption } from './options.ts'
import { followRun } from './run.ts'

interface ResumeOptions {
  readonly maxUsd?: number
  readonly maxHours?: number
  readonly from?: FlowStep
  readonly watch?: boolean
  readonly team?: string
  readonly json?: boolean
}

export function addRunActions(runs: Command): void {
  runs
    .command('cancel')
    .description('end a run; training saves a checkpoint first')
    .argument('<run>', "the run's id")
    .option('--now', 'end its job at once, without a checkpoint')
    .addOption(teamOption())
    .addOption(jsonOption())
    .action(async (runId: string, { now = false, ...options }: CancelOptions) => {
      const run = await new Client(await findTarget(options.team)).cancelRun(runId, now)
      if (options.json) return printJson(run)
      print(runPage(run))
      if (run.status === 'cancelled') say(`Go on with it: npx roslin runs resume ${runId}`)
    })

  addResuming(
    runs
      .command('resume')
      .description(
        'go on with a run that failed, was cancelled or reached its limit, from its newest checkpoint',
      ),
  )
  addResuming(
    runs
      .command('retry')
      .description('go on with an ended run from a step, without doing again the ones before')
      .addOption(
        new Option('--from <step>', 'the step to begin with').choices([...STEPS]).makeOptionMandatory(),
      ),
  )
}

interface CancelOptions {
  readonly now?: boolean
  readonly team?: string
  readonly json?: boolean
}

function addResuming(command: Command): void {
  command
    .argument('<run>', "the run's id")
    .addOption(new Option('--max-usd <amount>', 'what the run may cost in all').argParser(positive))
    .addOption(new Option('--max-hours <hours>', 'how long one training job may take').argParser(positive))
    .option('--watch', 'follow it to its end; Ctrl-C detaches, the run goes on')
    .addOption(teamOption())
    .addOption(jsonOption())
    .action(async (runId: string, { maxUsd, maxHours, from, watch, ...options }: ResumeOptions) => {
      const client = new Client(await findTarget(options.team))
      const run = await client.resumeRun(runId, {
        limits: { ...(maxUsd && { maxUsd }), ...(maxHours && { maxHours }) },
        ...(from && { from }),
      })
      if (watch) return followRun(client, runId, options.json ?? false)
      if (options.json) printJson(run)
      else print(runPage(run))
    })
}
