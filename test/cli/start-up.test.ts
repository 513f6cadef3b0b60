import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../support/checked-in.ts'

const STATIC_IMPORT = /^(?:import|export|\}).*?\bfrom '([^'\n]+)'|^import '([^'\n]+)'/gm

/** All that is loaded before an action runs: files of the project, packages, modules of Node.js. */
function loadedBy(file: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(file)) return found
  found.add(file)
  for (const [statement, from, alone] of readFileSync(join(root, file), 'utf8').matchAll(STATIC_IMPORT)) {
    const name = from ?? alone ?? ''
    if (statement.startsWith('import type')) continue
    if (name.startsWith('.')) loadedBy(join(file, '..', name), found)
    else found.add(name)
  }
  return found
}

describe('the command line, before a command runs', () => {
  const loaded = [...loadedBy('cli/main.ts')]

  it('has loaded no package but the one that reads its flags', () => {
    expect(loaded.filter((name) => !/^node:|\.ts$/.test(name))).toEqual(['commander'])
  })

  it('and of the project no more than the commands, the words for errors, the names of states, and which hosts need no proxy', () => {
    expect(loaded).toContain('cli/commands/runs.ts')
    const others = loaded.filter((name) => name.endsWith('.ts') && !/^cli\/commands\//.test(name)).sort()
    expect(others).toEqual([
      'cli/exit-codes.ts',
      'cli/main.ts',
      'cli/output.ts',
      'cli/program.ts',
      'core/errors.ts',
      'core/run.ts',
      'local/no-proxy.ts',
    ])
  })
})
