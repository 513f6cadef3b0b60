import { RoslinError } from '../../core/errors.ts'
import type { Estimate } from '../../core/estimate-schema.ts'
import { Client } from '../client.ts'
import type { DeploymentOptions } from '../commands/options.ts'
import { asked, mayStart } from '../consent.ts'
import { estimateTable } from '../estimate-format.ts'
import { CLI_EXIT } from '../exit-codes.ts'
import { runPage } from '../format.ts'
import { hint } from '../hint.ts'
import { print, printJson, say } from '../output.ts'
import { type CheckedRecipe, checkRecipe, printOutcome, startRun } from '../run-and-follow.ts'
import { askForEstimate } from '../team-estimate.ts'
import { watchRun } from '../watch.ts'

type RunOptions = DeploymentOptions & {
  readonly watch?: true
  readonly yes?: true
  readonly maxUsd?: number
}

export async function run(file: string, options: RunOptions): Promise<void> {
  const client = await Client.connect(options)
  const checked = limited(await checkRecipe(file), options.maxUsd)
  const estimate = await estimateIfPossible(client, checked, file)
  const may = mayStart({
    estimate,
    maxUsd: checked.recipe.limits.maxUsd,
    isAllowed: options.yes ?? false,
    isLimited: options.maxUsd !== undefined,
    isInteractive: Boolean(process.stdin.isTTY && process.stderr.isTTY),
    isPaid: !client.target.isEmbedded,
  })
  if (may === 'ask' && !(await asked('Start it?'))) {
    say('Not started.')
    process.exitCode = CLI_EXIT.interrupted
    return
  }
  const started = await startRun(client, checked)
  if (options.watch) {
    say(`run ${started.runId}`)
    return followRun(client, started.runId, options.json ?? false)
  }
  if (options.json) printJson(started)
  else print(started.runId)
}

function limited(checked: CheckedRecipe, maxUsd: number | undefined): CheckedRecipe {
  if (maxUsd === undefined) return checked
  const { recipe } = checked
  return { ...checked, recipe: { ...recipe, limits: { ...recipe.limits, maxUsd } } }
}

/** Shows what the run would take. Undefined where nobody knows; what is wrong with the recipe itself is an error. */
async function estimateIfPossible(
  client: Client,
  { recipe }: CheckedRecipe,
  file: string,
): Promise<Estimate | undefined> {
  try {
    const estimate = await askForEstimate(client, recipe, file)
    say(estimateTable(estimate, process.stderr))
    const [first] = estimate.options
    if (first) say(`${first.train.because} ${first.price.because}`)
    return estimate
  } catch (error) {
    // A deployment may be older than the route.
    const isUnknown =
      error instanceof RoslinError && (error.code === 'NO_BASIS' || error.code === 'ROUTE_NOT_FOUND')
    if (!isUnknown) throw error
    say(`No estimate can be made: ${error.message}`)
    return undefined
  }
}

/** Watches until the run has ended (exit code 0 only when it succeeded) or the person leaves. */
export async function followRun(client: Client, runId: string, json: boolean): Promise<void> {
  const leaving = new AbortController()
  const leave = () => leaving.abort()
  process.once('SIGINT', leave)
  try {
    const ended = await watchRun(client, runId, leaving.signal)
    if (json) printJson(ended)
    else {
      print(runPage(ended))
      await printOutcome(client, ended)
    }
    process.exitCode = ended.status === 'succeeded' ? CLI_EXIT.ok : CLI_EXIT.failed
  } catch (error) {
    if (!leaving.signal.aborted) throw error
    const again = hint(`runs watch ${runId}`, client.target.flags)
    say(`Detached. Run ${runId} goes on; watch it again: ${again}`)
    process.exitCode = CLI_EXIT.interrupted
  } finally {
    process.off('SIGINT', leave)
  }
}
