import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'esbuild'
import { lambdas } from './handlers.ts'

/** zod's own object `z` holds all of it, 50 languages among them; of a namespace, esbuild leaves out what nobody names. */
export const namespacedZod: Plugin = {
  name: 'namespaced-zod',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/](core|lambdas)[\\/].*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace("import { z } from 'zod'", "import * as z from 'zod'"),
      loader: 'ts',
    }))
  },
}

/**
 * A function has its credentials in its environment, always. The SDK's default chain would bring what it never asks:
 * profiles, SSO, a login's token, instance metadata, and the clients of STS and SSO for them.
 */
export const environmentCredentials: Plugin = {
  name: 'environment-credentials',
  setup({ onResolve }) {
    onResolve({ filter: /^@aws-sdk\/credential-provider-node$/ }, () => ({
      path: join(import.meta.dirname, 'environment-credentials.ts'),
    }))
  },
}

/** Library → the names that are imported of it by these bundles, as esbuild writes them. */
export function librariesOf(bundles: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const found: Record<string, Set<string>> = {}
  for (const bundle of bundles) {
    for (const [, names = '', library = ''] of bundle.matchAll(/\bimport\{([^}]+)\}from"([^"]+)"/g)) {
      if (library.startsWith('node:')) continue
      for (const name of names.split(',')) {
        found[library] ??= new Set()
        found[library].add(name.split(' as ')[0] ?? name)
      }
    }
  }
  return Object.fromEntries(
    Object.entries(found)
      .sort()
      .map(([library, names]) => [library, [...names].sort()]),
  )
}

/** An entry point that is a library gives these names of it alone. */
export function onlyNames(libraries: Readonly<Record<string, readonly string[]>>): Plugin {
  const namespace = 'only-names'
  return {
    name: namespace,
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /./ }, ({ kind, path }) =>
        kind === 'entry-point' ? { path, namespace } : undefined,
      )
      onLoad({ filter: /./, namespace }, ({ path }) => ({
        contents: `export { ${libraries[path]?.join(', ')} } from '${path}'`,
        resolveDir: lambdas,
      }))
    },
  }
}
