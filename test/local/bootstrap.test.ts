import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from '../support/checked-in.ts'
import { execute } from '../support/spawned.ts'

/** As Node.js was up to 20.10. */
const WITHOUT_DIRNAME = `
import { registerHooks } from 'node:module'
registerHooks({
  load(url, context, next) {
    const loaded = next(url, context)
    return { ...loaded, ...(loaded.source && { source: 'delete import.meta.dirname;' + loaded.source }) }
  },
})
`

it('npm start works in a folder with a space in its name, and on a Node.js that does not name the folder of a module', async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'roslin-bootstrap-')), 'my projects')
  for (const file of ['local/bootstrap.mjs', 'local/prerequisites.mjs', 'package-lock.json'])
    cpSync(join(root, file), join(folder, file))
  // As it is once everything is installed.
  for (const installed of ['.venv', 'node_modules/.bin'])
    mkdirSync(join(folder, installed), { recursive: true })
  symlinkSync(process.execPath, join(folder, 'node_modules/.bin/node'))
  const lock = createHash('sha256').update(readFileSync(join(root, 'package-lock.json')))
  writeFileSync(join(folder, 'node_modules/.roslin-lock'), lock.digest('hex'))
  writeFileSync(join(folder, 'main.mjs'), 'console.log(process.argv[2])')
  writeFileSync(join(folder, 'hooks.mjs'), WITHOUT_DIRNAME)

  const args = ['--import', join(folder, 'hooks.mjs'), join(folder, 'local/bootstrap.mjs'), 'main.mjs', 'baa']
  expect(await execute(process.execPath, args)).toEqual({ code: 0, stdout: 'baa\n', stderr: '' })
})
