import { checkRemote, withOverrides } from './deployed-recipe.ts'
import { RoslinError } from './errors.ts'
import type { RecipeFiles } from './recipe-folder.ts'
import type { Schedule } from './schedule.ts'
import type { Team } from './team.ts'
import { type Trigger, triggerOrigin } from './trigger.ts'

/** The triggers as JSON, beside the code of the functions that look for one. */
export const TRIGGERS_FILE = 'triggers.json'

/** What starts runs by itself in a deployment: the team file's schedules and triggers with their recipes. */
export interface Automation {
  readonly schedules: readonly Schedule[]
  readonly triggers: readonly Trigger[]
}

/**
 * @throws RoslinError TEAM_INVALID for names given twice and for models that would train themselves for ever; RECIPE_INVALID
 */
export function resolveAutomation(team: Team, { read }: Pick<RecipeFiles, 'read'>): Automation {
  const recipeOf = ({ recipe, overrides }: Pick<Team['schedules'][number], 'recipe' | 'overrides'>) =>
    checkRemote(withOverrides(read(recipe), overrides), recipe)
  const schedules = team.schedules.map(({ overrides, recipe, ...schedule }) => ({
    ...schedule,
    source: 'file' as const,
    recipe: recipeOf({ recipe, overrides }),
  }))
  const triggers = team.triggers.map((trigger): Trigger => {
    const { debounceMinutes } = trigger
    const recipe = recipeOf(trigger)
    if ('dataset' in trigger) return { kind: 'dataset', of: trigger.dataset, recipe, debounceMinutes }
    if ('model' in trigger) return { kind: 'model', of: trigger.model, recipe, debounceMinutes }
    return { kind: 'event', of: trigger.source, recipe, debounceMinutes }
  })
  refuseTwice(
    'schedules',
    schedules.map(({ name }) => name),
  )
  refuseTwice('triggers', triggers.map(triggerOrigin))
  refuseCircle(triggers)
  return { schedules, triggers }
}

function refuseTwice(path: string, names: readonly string[]): void {
  const twice = names.findIndex((name, index) => names.indexOf(name) < index)
  if (twice < 0) return
  const message = `${names[twice]} is listed twice`
  throw new RoslinError(
    'TEAM_INVALID',
    `The team file's ${path} have one twice.`,
    'Take one of the two out.',
    [{ path: `${path}.${twice}`, message }],
  )
}

/** A model whose version starts, over others or at once, a recipe that makes its next version would be trained for ever. */
function refuseCircle(triggers: readonly Trigger[]): void {
  const follows = triggers.filter(({ kind }) => kind === 'model')
  for (const { of: model } of follows) {
    const made = new Set<string>()
    const pending = [model]
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      for (const { of, recipe } of follows) {
        if (of !== next || made.has(recipe.name)) continue
        made.add(recipe.name)
        pending.push(recipe.name)
      }
    }
    if (!made.has(model)) continue
    throw new RoslinError(
      'TEAM_INVALID',
      `The team file's triggers would train the model ${model} again and again: what follows it makes its next version.`,
      "Give the recipe that follows another name: a model is named by its recipe's.",
      [{ path: 'triggers', message: `a version of ${model} leads to the next version of ${model}` }],
    )
  }
}
