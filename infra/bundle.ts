import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '..')
/** Inside the project: source maps name files from here, so the same code is the same asset wherever the project lies. */
const workFolder = join(root, '.roslin')

const BUNDLE_ALL = join(import.meta.dirname, 'bundling/bundle-all.ts')

let bundled: string | undefined

/**
 * The folder with a function's code: one `index.mjs` that needs nothing but the layer of libraries. All are made in one
 * call, the first time.
 * @param files to lie beside it: name → text
 */
export function bundleOf(entry: string, files: Readonly<Record<string, string>> = {}): string {
  const code = join(bundles(), 'functions', entry.replace(/\.ts$/, ''))
  if (Object.keys(files).length === 0) return code
  const digest = createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 12)
  const folder = `${code}-${digest}`
  cpSync(code, folder, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

/** The folder of the layer of libraries, as Lambda lays it out: `nodejs/node_modules`. */
export const bundledLibraries = (): string => join(bundles(), 'libraries')

/** Makes the bundles while other work goes on, such as loading the CDK. */
export async function bundleAhead(): Promise<void> {
  const folder = newFolder()
  await promisify(execFile)(process.execPath, [BUNDLE_ALL, folder])
  bundled = folder
}

function bundles(): string {
  bundled ??= bundleNow()
  return bundled
}

function bundleNow(): string {
  const folder = newFolder()
  // A process of its own: constructs are synchronous, and esbuild's plug-ins are not.
  execFileSync(process.execPath, [BUNDLE_ALL, folder], { stdio: ['ignore', 'inherit', 'inherit'] })
  return folder
}

function newFolder(): string {
  mkdirSync(workFolder, { recursive: true })
  const folder = mkdtempSync(join(workFolder, 'lambdas-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
