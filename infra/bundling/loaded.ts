import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * The files that a function reads before its first call: its bundle, and of the layer's what that imports, and so on.
 * @param modules the layer's `node_modules`
 * @returns file → bytes
 */
export function loadedFiles(
  file: string,
  modules: string,
  found: Map<string, number> = new Map(),
): ReadonlyMap<string, number> {
  if (found.has(file)) return found
  const text = readFileSync(file, 'utf8')
  found.set(file, Buffer.byteLength(text))
  // As esbuild writes static imports.
  for (const [, name = ''] of text.matchAll(/(?:\bfrom|\bimport)"([^"]+)"/g)) {
    const imported = name.startsWith('.') ? join(dirname(file), name) : join(modules, name, 'index.js')
    if (existsSync(imported)) loadedFiles(imported, modules, found)
  }
  return found
}
