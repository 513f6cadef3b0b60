import { createHash } from 'node:crypto'
import { cpSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'

const root = join(import.meta.dirname, '..')
const lambdas = join(root, 'lambdas')
/** Inside the project: source maps name files from here, so the same code is the same asset wherever the project lies. */
const workFolder = join(root, '.roslin')

/** A file that exports a handler, from lambdas/. */
const HANDLERS = [
  'steps/{classify,fail,plan,register}.ts',
  'events/*.ts',
  '{api,reconciler}/handler.ts',
  'schedules/fire.ts',
  'triggers/{object-created,model-registered}.ts',
]

let bundled: string | undefined

/**
 * The folder with a function's code: one `index.mjs` that needs nothing else. All are made in one call, the first time.
 * @param files to lie beside it: name → text
 */
export function bundleOf(entry: string, files: Readonly<Record<string, string>> = {}): string {
  bundled ??= bundleAll()
  const code = join(bundled, entry.replace(/\.ts$/, ''))
  if (Object.keys(files).length === 0) return code
  const digest = createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 12)
  const folder = `${code}-${digest}`
  cpSync(code, folder, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
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
