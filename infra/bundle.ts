import { globSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'

const root = join(import.meta.dirname, '..')
const lambdas = join(root, 'lambdas')
/** Inside the project: source maps name files from here, so the same code is the same asset wherever the project lies. */
const workFolder = join(root, '.roslin')

/** A file that exports a handler, from lambdas/. */
const HANDLERS = ['steps/{classify,fail,plan,register}.ts', 'events/*.ts', '{api,reconciler}/handler.ts']

let bundled: string | undefined

/** The folder with a function's code: one `index.mjs` that needs nothing else. All are made in one call, the first time. */
export function bundleOf(entry: string): string {
  bundled ??= bundleAll()
  return join(bundled, entry.replace(/\.ts$/, ''))
}

function bundleAll(): string {
  mkdirSync(workFolder, { recursive: true })
  const outdir = mkdtempSync(join(workFolder, 'lambdas-'))
  process.once('exit', () => rmSync(outdir, { recursive: true, force: true }))
  buildSync({
    entryPoints: globSync(HANDLERS, { cwd: lambdas }).map((entry) => ({
      in: join(lambdas, entry),
      out: join(entry.replace(/\.ts$/, ''), 'index'),
    })),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    mainFields: ['module', 'main'],
    minify: true,
    sourcemap: true,
    sourcesContent: false,
    // The SDK comes along: a pinned version starts faster than the runtime's own, and is the one tested.
    banner: {
      // Libraries in CommonJS still call require.
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'error',
  })
  return outdir
}
