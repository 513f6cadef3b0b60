import { hasEnded, type RunStatus } from '../../core/run.ts'
import type { RunDetail } from '../../core/run-view.ts'
import { Client } from '../client.ts'
import type { DeploymentOptions } from '../commands/options.ts'
import { CLI_EXIT } from '../exit-codes.ts'
import { runPage, runsTable } from '../format.ts'
import { hint } from '../hint.ts'
import { print, printJson, say } from '../output.ts'
import { showChanges } from '../redraw.ts'
import { printOutcome } from '../run-and-follow.ts'
import { followRun } from './run.ts'

type ListOptions = DeploymentOptions & {
  readonly limit: number
  readonly cursor?: string
  readonly recipe?: string
  readonly status?: RunStatus
  readonly model?: string
  readonly watch?: true
}

export async function listRuns({ limit, cursor, recipe, status, model, ...options }: ListOptions) {
  const client = await Client.connect(options)
  const ask = () => client.listRuns(limit, cursor, { recipe, status, model })
  if (options.watch) {
    await showChanges(ask, { page: runsTable, json: options.json ?? false, isLast: () => false })
    return
  }
  const page = await ask()
  if (options.json) return printJson(page)
  print(runsTable(page))
  const given = { ...client.target.flags, recipe, status, model, limit }
  if (page.cursor) say(`There are more: ${hint('runs list', { ...given, cursor: page.cursor })}`)
}

export async function getRun(runId: string, options: DeploymentOptions & { readonly watch?: true }) {
  const client = await Client.connect(options)
  const run = options.watch ? await shownToItsEnd(client, runId, options) : await client.getRun(runId)
  if (options.watch) process.exitCode = run.status === 'succeeded' ? CLI_EXIT.ok : CLI_EXIT.failed
  else if (options.json) printJson(run)
  else print(runPage(run))
  if (!options.json && run.status === 'succeeded') await printOutcome(client, run)
}

function shownToItsEnd(client: Client, runId: string, { json = false }: DeploymentOptions) {
  const isLast = ({ status }: RunDetail) => hasEnded(status)
  return showChanges(() => client.getRun(runId), { page: runPage, json, isLast })
}

export async function watchRun(runId: string, options: DeploymentOptions): Promise<void> {
  await followRun(await Client.connect(options), runId, options.json ?? false)
}
