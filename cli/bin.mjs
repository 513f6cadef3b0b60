#!/usr/bin/env node
// The roslin command. It runs on the Node.js that the project pins, whatever the one on PATH is.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('./main.ts', import.meta.url))
const pinned = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url))

if (process.features.typescript) {
  await import(main)
} else if (existsSync(pinned)) {
  // Ctrl-C is the child's to handle; this process only stays for its exit code.
  process.on('SIGINT', () => {})
  process.exit(spawnSync(pinned, [main, ...process.argv.slice(2)], { stdio: 'inherit' }).status ?? 1)
} else {
  process.stderr.write(
    'PREREQUISITE_MISSING: The Node modules are not installed. Run `npm ci`, or `npm start`.\n',
  )
  process.exit(2)
}
