import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundledLibraries, bundleOf } from '../infra/bundle.ts'
import { HANDLERS } from '../infra/bundling/handlers.ts'
import { loadedFiles } from '../infra/bundling/loaded.ts'
import { type Figure, figure, median } from './figure.ts'

const MAX_KILOBYTES = 400
const REPETITIONS = 9
const EMPTY = 'an empty handler'
const NODE = 'node -e 0'
const ENVIRONMENT = { TABLE_NAME: 'table', TEAM: 'team', AWS_REGION: 'us-east-1' }

/** How large each function's bundle is, and how long a fresh Node.js takes to import it, in turns with one that imports nothing. */
export function measureFunctions(): {
  readonly figures: readonly Figure[]
  readonly notes: readonly string[]
} {
  const folder = mkdtempSync(join(tmpdir(), 'roslin-functions-'))
  try {
    const modules = join(bundledLibraries(), 'nodejs/node_modules')
    symlinkSync(modules, join(folder, 'node_modules'))
    for (const entry of HANDLERS) cpSync(bundleOf(entry), join(folder, entry), { recursive: true })
    mkdirSync(join(folder, EMPTY))
    writeFileSync(
      join(folder, EMPTY, 'index.mjs'),
      'export const handler = async () => ({ statusCode: 200 })',
    )
    const names = [NODE, EMPTY, ...HANDLERS]
    const times = new Map<string, number[]>(names.map((name) => [name, []]))
    for (let round = 0; round < REPETITIONS; round++) {
      for (const name of names) times.get(name)?.push(milliseconds(folder, name))
    }
    const baseline = { name: NODE, value: Number(median(times.get(NODE) ?? []).toPrecision(4)) }
    const codeOf = (entry: string) => join(folder, entry, 'index.mjs')
    return {
      figures: [
        ...HANDLERS.map((entry) =>
          figure(`${entry}: bundle`, statSync(codeOf(entry)).size / 1000, 'kB', { target: MAX_KILOBYTES }),
        ),
        ...[EMPTY, ...HANDLERS].map((name) =>
          figure(`${name}: start`, median(times.get(name) ?? []), 'ms', { baseline }),
        ),
      ],
      notes: [
        `Read at a function's start, bundle and libraries: ${HANDLERS.map((entry) => {
          const sizes = [...loadedFiles(codeOf(entry), modules).values()]
          return `${entry} ${Math.round(sizes.reduce((sum, size) => sum + size) / 1000)} kB`
        }).join(', ')}.`,
        `Starts are medians of ${REPETITIONS}: Node.js ${process.version}, the import of the handler, the end.`,
      ],
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function milliseconds(folder: string, name: string): number {
  const script = name === NODE ? '0' : `import(${JSON.stringify(`./${name}/index.mjs`)})`
  const began = performance.now()
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], {
    cwd: folder,
    encoding: 'utf8',
    env: ENVIRONMENT,
  })
  if (status !== 0) throw new Error(`${name} cannot be imported: ${stderr}`)
  return performance.now() - began
}
