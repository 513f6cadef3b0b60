import { describe, expect, it } from 'vitest'
import { type RecipeFiles, resolveRecipeFolder } from '../../core/recipe-folder.ts'
import { parseTeam } from '../../core/team.ts'
import { minimalRecipe } from '../support/recipes.ts'
import { thrownBy } from '../support/thrown.ts'

const team = (fields: Readonly<Record<string, unknown>>) =>
  parseTeam({ name: 'speech', region: 'us-east-1', capacity: [{ instanceType: 'm7i.2xlarge' }], ...fields })

/** A folder of these files. */
const folderOf = (files: Readonly<Record<string, unknown>>): RecipeFiles => ({
  read: (path) => files[path],
  list: (folder) => Object.keys(files).filter((path) => path.startsWith(`${folder}/`)),
})

function resolve(files: Readonly<Record<string, unknown>>) {
  return resolveRecipeFolder(team({ recipeFolder: 'birds' }), folderOf(files))
}

describe("the team file's recipeFolder", () => {
  it('gives its recipes by name, and none of another folder', () => {
    const recipes = resolve({
      'birds/1.yaml': minimalRecipe({ name: 'parrot' }),
      'birds/2.yaml': minimalRecipe({ name: 'finch' }),
      'fish/3.yaml': minimalRecipe({ name: 'trout' }),
    })
    expect(recipes.map(({ name }) => name)).toEqual(['finch', 'parrot'])
  })

  it('may be left out: no recipe is deployed', () => {
    const unread = () => expect.unreachable()
    expect(resolveRecipeFolder(team({}), { read: unread, list: unread })).toEqual([])
  })

  it('has at least one recipe', () => {
    expect(thrownBy(() => resolve({}))).toMatchObject({
      code: 'TEAM_INVALID',
      issues: [{ path: 'recipeFolder' }],
    })
  })

  it('has no two recipes of one name: which would be meant?', () => {
    const error = thrownBy(() =>
      resolve({ 'birds/1.yaml': minimalRecipe(), 'birds/2.yaml': minimalRecipe() }),
    )
    expect(error.code).toBe('TEAM_INVALID')
    expect(error.message).toContain('birds/1.yaml and birds/2.yaml')
  })

  it('has recipes alone, and they name no files of a machine', () => {
    expect(thrownBy(() => resolve({ 'birds/1.yaml': { name: 'parrot' } })).code).toBe('RECIPE_INVALID')
    const local = minimalRecipe({ dataset: { source: 'data/rows.json', licence: 'CC0-1.0' } })
    expect(thrownBy(() => resolve({ 'birds/1.yaml': local }))).toMatchObject({
      code: 'RECIPE_INVALID',
      issues: [{ path: 'dataset.source' }],
    })
  })
})
