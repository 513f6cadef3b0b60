import type { FlowStep } from '../../core/run.ts'
import { Client } from '../client.ts'
import type { DeploymentOptions } from '../commands/options.ts'
import { runPage } from '../format.ts'
import { hint } from '../hint.ts'
import { print, printJson, say } from '../output.ts'
import { followRun } from './run.ts'

export async function cancelRun(
  runId: string,
  { now = false, ...options }: DeploymentOptions & { readonly now?: boolean },
): Promise<void> {
  const client = await Client.connect(options)
  const run = await client.cancelRun(runId, now)
  if (options.json) return printJson(run)
  print(runPage(run))
  if (run.status === 'cancelled') say(`Go on with it: ${hint(`runs resume ${runId}`, client.target.flags)}`)
}

type ResumeOptions = DeploymentOptions & {
  readonly maxUsd?: number
  readonly maxHours?: number
  readonly from?: FlowStep
  readonly watch?: true
}

export async function resumeRun(
  runId: string,
  { maxUsd, maxHours, from, watch, ...options }: ResumeOptions,
): Promise<void> {
  const client = await Client.connect(options)
  const run = await client.resumeRun(runId, {
    limits: { ...(maxUsd && { maxUsd }), ...(maxHours && { maxHours }) },
    ...(from && { from }),
  })
  if (watch) return followRun(client, runId, options.json ?? false)
  if (options.json) printJson(run)
  else print(runPage(run))
}
