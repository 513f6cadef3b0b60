import { RoslinError } from '../core/errors.ts'
import type { Recipe } from '../core/recipe.ts'
import type { RunDetail } from '../core/run-view.ts'
import type { Client } from './client.ts'
import { answersTable, duration, lossLine, usd } from './format.ts'
import { hint } from './hint.ts'
import { checkLocalInputs, type LocalInputs, sendUp } from './local-inputs.ts'
import { print, say } from './output.ts'
import { readRecipe } from './recipe-file.ts'

/** A recipe that was checked, with all that it names on this machine. */
export interface CheckedRecipe {
  readonly recipe: Recipe
  readonly inputs: LocalInputs
}

export async function checkRecipe(recipeFile: string): Promise<CheckedRecipe> {
  const recipe = readRecipe(recipeFile)
  return { recipe, inputs: await checkLocalInputs(recipe, recipeFile) }
}

/** Sends up what is local, and starts the run. @throws the signal's reason when the person wants out before that. */
export async function startRun(
  client: Client,
  { recipe, inputs }: CheckedRecipe,
  signal?: AbortSignal,
): Promise<RunDetail> {
  const remote: Recipe = await sendUp(client, recipe, inputs, (text) => say(`· ${text}`), signal)
  signal?.throwIfAborted()
  return client.createRun(remote)
}

/** What a person wants to see of a run that has ended. */
export async function printOutcome(client: Client, run: RunDetail): Promise<void> {
  const { runId, failure } = run
  if (failure) {
    say(
      `Run ${runId} ${run.status} in ${failure.step}. ${failure.code}: ${failure.message}\n${failure.nextStep}`,
    )
    return
  }
  const samples = await unlessMissing(client.getSamples(runId))
  if (samples) print(answersTable(samples))
  const metrics = await unlessMissing(client.getMetrics(runId))
  if (metrics) print(lossLine(metrics))
  if (run.capacity)
    print(
      `${duration(run.elapsedSeconds)}; ${usd(run.costUsd)} at the list price of ${run.capacity.instanceType}`,
    )
  if (run.model) print(`model ${run.model.name}@${run.model.version}: ${run.model.uri}`)
  print(`look again: ${hint(`runs get ${runId}`, client.target.flags)}`)
}

/** Another trainer may write no metrics or samples. */
async function unlessMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  return asked.catch((error) => {
    if (error instanceof RoslinError && error.code === 'NOT_READY') return undefined
    throw error
  })
}
