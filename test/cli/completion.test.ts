import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { placesOf } from '../../cli/completion/places.ts'
import { SCRIPTS } from '../../cli/completion/scripts.ts'
import { createProgram } from '../../cli/program.ts'

const places = placesOf(createProgram())

/** What bash offers after these words. */
function offered(...words: string[]): string[] {
  const script = `${SCRIPTS.bash(places)}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _roslin; printf '%s\\n' "\${COMPREPLY[@]}"`
  const output = execFileSync('bash', ['-c', script, 'bash', 'roslin', ...words], { encoding: 'utf8' })
  return output.trim().split('\n')
}

describe('completion', () => {
  it('offers the commands, then their own', () => {
    expect(offered('est')).toEqual(['estimate'])
    expect(offered('runs', 'c')).toEqual(['cancel'])
    expect(offered('completion', '')).toEqual(expect.arrayContaining(['bash', 'zsh', 'fish']))
  })

  it('offers the flags of the command at hand, whatever stands before', () => {
    expect(offered('runs', 'list', '--limit', '5', '--st')).toEqual(['--status'])
    expect(offered('run', 'recipe.yaml', '--max')).toEqual(['--max-usd'])
  })

  it('offers the values of a flag that has a list of them', () => {
    expect(offered('runs', 'list', '--status', 'budget')).toEqual(['budget-stopped'])
    expect(offered('runs', 'retry', 'RUN', '--from', 'e')).toEqual(['evaluate'])
  })

  it('offers nothing of its own where a file is wanted: bash offers those', () => {
    expect(offered('run', 'recipes/do')).toEqual([''])
  })

  it.each(['bash', 'zsh', 'fish'] as const)('for %s names every command and every flag', (shell) => {
    const script = SCRIPTS[shell](places)
    const words = places.flatMap(({ words }) => words.map(({ word }) => word))
    const missing = words.filter(
      (word) => !script.includes(shell === 'fish' ? word.replace(/^--/, '-l ') : word),
    )
    expect(missing).toEqual([])
  })
})
