#!/usr/bin/env node
// The roslin command. It runs on the Node.js that the project pins, whatever the one on PATH is.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import { fileURLToPath } from 'node:url'

/** @param {string} relative */
const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const pinned = pathOf('../node_modules/.bin/node')

if (process.features.typescript) {
  // What was stripped of its types and compiled once is read from here the next time: half of the time that --help takes.
  module.enableCompileCache(pathOf('../.roslin/compile-cache'))
  await import('./main.ts')
} else if (existsSync(pinned)) {
  // Ctrl-C is the child's to handle; this process only stays for its exit code.
  process.on('SIGINT', () => {})
  const args = [pathOf('./bin.mjs'), ...process.argv.slice(2)]
  process.exit(spawnSync(pinned, args, { stdio: 'inherit' }).status ?? 1)
} else {
  process.stderr.write(
    'PREREQUISITE_MISSING: The Node modules are not installed. Run `npm ci`, or `npm start`.\n',
  )
  process.exit(2)
}
