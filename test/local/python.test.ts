import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { root } from '../support/checked-in.ts'
import { execute } from '../support/spawned.ts'

/** A Python that writes down what it is told. In an environment that it makes, it stands itself. */
const PYTHON = `#!/bin/sh
case "$*" in *version_info*) echo 3 11; exit ;; esac
echo "$*" >> "$(dirname "$(realpath "$0")")/told"
case "$*" in *"-m venv"*)
  for folder; do :; done
  case "$*" in *--clear*) rm -rf "$folder" ;; esac
  mkdir -p "$folder/bin" && ln -s "$0" "$folder/bin/python" && ln -s "$0" "$folder/bin/uv"
esac
`
const LOCKS = ['containers/trainer/installer.lock', 'local/requirements.lock', 'local/model.lock']
const ENSURE_PYTHON = "import { ensurePython } from './local/python.ts'; await ensurePython()"
const RUN = `
import { run } from './local/command.ts'
import { paths } from './local/paths.ts'
await run(paths.python, []).catch(({ code, message }) => console.log(code, message))
`
const START_EMULATOR = `
import { startEmulator } from './local/emulator.ts'
const options = { port: 4911, images: {}, jobSlots: 1, background: false }
await startEmulator(options).catch(({ code, message }) => console.log(code, message))
`

describe('the Python environment', () => {
  let folder: string
  const venv = () => join(folder, '.venv')
  const told = () => readFileSync(join(folder, 'told'), 'utf8').trim().split('\n')
  const runs = async (code: string) => {
    writeFileSync(join(folder, 'main.ts'), code)
    return execute(process.execPath, [join(folder, 'main.ts')], {
      ROSLIN_PYTHON: join(folder, 'python'),
      ROSLIN_STATE_DIR: join(folder, 'state'),
    })
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'roslin-python-'))
    for (const path of ['core/errors.ts', 'package.json', ...LOCKS])
      cpSync(join(root, path), join(folder, path))
    cpSync(join(root, 'local'), join(folder, 'local'), {
      recursive: true,
      filter: (path) => path !== join(root, 'local/emulator'),
    })
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    writeFileSync(join(folder, 'python'), PYTHON)
    chmodSync(join(folder, 'python'), 0o755)
    // As it was installed, but of a Python that has gone since.
    const digest = createHash('sha256')
    for (const path of LOCKS) digest.update(readFileSync(join(root, path)))
    mkdirSync(join(venv(), 'bin'), { recursive: true })
    symlinkSync(join(folder, 'python3.11-that-was'), join(venv(), 'bin/python'))
    writeFileSync(join(venv(), 'roslin-lock'), digest.digest('hex'))
  })

  it('is made anew where its Python is gone, and left alone where it runs', async () => {
    expect(await runs(ENSURE_PYTHON)).toMatchObject({ code: 0, stderr: expect.stringContaining('✓ Python') })
    expect(told()).toEqual([
      `-m venv --clear ${venv()}`,
      expect.stringMatching(/^-m pip install .*installer\.lock$/),
      expect.stringMatching(/^pip install .*requirements\.lock$/),
      expect.stringMatching(/^pip install .*model\.lock$/),
    ])
    rmSync(join(folder, 'told'))
    expect(await runs(ENSURE_PYTHON)).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(told()).toEqual(['-I -c import pip'])
  })

  it('whose Python is gone is an error with its reason, for a command and for the embedded AWS', async () => {
    for (const code of [RUN, START_EMULATOR]) {
      const { stdout } = await runs(code)
      expect(stdout).toMatch(/^SETUP_FAILED .*spawn .*\.venv\/bin\/python ENOENT/s)
    }
  })
})
