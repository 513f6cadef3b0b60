// What a fresh clone runs first: plain JavaScript without a dependency, for any Node.js from 20 on. It installs the Node
// modules, among them the Node.js that runs everything else, and hands over: `node local/bootstrap.mjs <file> [argument …]`.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { missingPrerequisites } from './prerequisites.mjs'

// import.meta.dirname is there from Node.js 20.11 on.
const root = fileURLToPath(new URL('..', import.meta.url))
const bin = join(root, 'node_modules/.bin')
const stamp = join(root, 'node_modules/.roslin-lock')
const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')

const missing = missingPrerequisites(root, existsSync(join(root, '.venv')))
if (missing.length > 0) {
  process.stderr.write(`PREREQUISITE_MISSING: ${missing.join('\n')}\n`)
  process.exit(2)
}
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) await installModules()
handOver()

async function installModules() {
  const started = Date.now()
  const elapsed = () => `${Math.round((Date.now() - started) / 1000)} s`
  process.stderr.write('· Node modules: installing\n')
  const ticker = setInterval(() => process.stderr.write(`· Node modules: installing, ${elapsed()}\n`), 4000)
  const npm = spawn('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const stop = () => {
    npm.kill()
    process.exit(130)
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  let output = ''
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk
    })
  }
  const code = await new Promise((resolve) => npm.on('close', resolve))
  clearInterval(ticker)
  process.off('SIGINT', stop).off('SIGTERM', stop)
  if (code !== 0) {
    process.stderr.write(
      `${output}\nSETUP_FAILED: npm ci ended with ${code}. Read its words above; with a network, try again.\n`,
    )
    process.exit(1)
  }
  writeFileSync(stamp, lock)
  process.stderr.write(`✓ Node modules (${elapsed()})\n`)
}

function handOver() {
  const [file, ...args] = process.argv.slice(2)
  const child = spawn(join(bin, 'node'), [join(root, /** @type {string} */ (file)), ...args], {
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
  })
  // The child has the terminal's signals already; this process only stays for its exit code.
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0)))
}
