// Bundles all functions, and the libraries that they share, into a folder: node bundle-all.ts <folder>
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BuildOptions, build } from 'esbuild'
import { HANDLERS, lambdas } from './handlers.ts'
import { openApiFile, writeOpenApiDocument } from './openapi-file.ts'
import { environmentCredentials, librariesOf, namespacedZod, onlyNames } from './plugins.ts'

/** What speaks to AWS lies in the layer, once for all functions: pinned, unlike the runtime's own SDK. */
const IN_LAYER = ['@aws-sdk/*', '@aws-lambda-powertools/*', 'electrodb']

const COMMON: BuildOptions = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  mainFields: ['module', 'main'],
  minify: true,
  banner: {
    // Libraries in CommonJS still call require.
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  logLevel: 'error',
}

const [folder = ''] = process.argv.slice(2)
await bundleLibraries(await bundleFunctions())
await writeOpenApiDocument(join(folder, 'functions/api/handler'))

/** @returns the texts of the bundles */
async function bundleFunctions(): Promise<readonly string[]> {
  await build({
    ...COMMON,
    entryPoints: HANDLERS.map((entry) => ({ in: join(lambdas, entry), out: codeOf(entry) })),
    outdir: join(folder, 'functions'),
    outExtension: { '.js': '.mjs' },
    sourcemap: true,
    sourcesContent: false,
    external: IN_LAYER,
    plugins: [openApiFile, namespacedZod],
  })
  return HANDLERS.map((entry) => readFileSync(join(folder, 'functions', `${codeOf(entry)}.mjs`), 'utf8'))
}

function codeOf(entry: string): string {
  return join(entry.replace(/\.ts$/, ''), 'index')
}

/** What the functions import of the libraries, and no more; what two libraries share is in chunks. */
async function bundleLibraries(functions: readonly string[]): Promise<void> {
  const libraries = librariesOf(functions)
  const modules = join(folder, 'libraries/nodejs/node_modules')
  await build({
    ...COMMON,
    entryPoints: Object.keys(libraries).map((name) => ({ in: name, out: join(name, 'index') })),
    outdir: modules,
    splitting: true,
    chunkNames: 'roslin-chunks/[hash]',
    plugins: [onlyNames(libraries), environmentCredentials],
  })
  for (const name of Object.keys(libraries)) {
    writeFileSync(join(modules, name, 'package.json'), '{"type":"module","exports":"./index.js"}')
  }
  writeFileSync(join(modules, 'roslin-chunks/package.json'), '{"type":"module"}')
}
