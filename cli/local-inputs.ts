import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { baseModelFacts, contextTokensOfConfig } from '../core/base-model.ts'
import { datasetTooLarge, MAX_DATASET_BYTES } from '../core/data-file.ts'
import { checkDataset } from '../core/dataset.ts'
import { type Issue, RoslinError } from '../core/errors.ts'
import { checkPromptLengths } from '../core/prompt-length.ts'
import type { Recipe } from '../core/recipe.ts'
import { tokenCounter } from '../core/tokenizer.ts'
import { uploadName } from '../core/upload.ts'
import type { Client } from './client.ts'
import { filesOf } from './folder-files.ts'
import { type LocalFile, localFile, sendFile } from './local-file.ts'

/** The local data, model and benchmarks that a recipe names, checked and hashed; a remote one has no files. */
export interface LocalInputs {
  readonly dataset: readonly LocalFile[]
  readonly model: readonly LocalFile[]
  readonly benchmarks: readonly LocalFile[]
}

export const isRemote = (source: string) => /^(s3|hf):\/\//.test(source)

/**
 * Checks what lies beside the recipe, before anything is sent or started.
 * @throws RoslinError DATASET_NOT_FOUND, DATASET_INVALID, MODEL_NOT_FOUND, MODEL_UNREADABLE, PROMPT_TOO_LONG, BENCHMARKS_NOT_FOUND
 */
export async function checkLocalInputs(recipe: Recipe, recipeFile: string): Promise<LocalInputs> {
  const folder = dirname(resolve(recipeFile))
  const dataset = isRemote(recipe.dataset.source)
    ? []
    : [await checkDataFile(recipe, resolve(folder, recipe.dataset.source))]
  const benchmarkFolder = recipe.evaluation.benchmarks?.folder
  const benchmarks =
    benchmarkFolder === undefined || isRemote(benchmarkFolder)
      ? []
      : await checkBenchmarkFolder(benchmarkFolder, resolve(folder, benchmarkFolder))
  const model = isRemote(recipe.baseModel.source)
    ? []
    : await checkModelFolder(recipe, resolve(folder, recipe.baseModel.source))
  return { dataset, model, benchmarks }
}

async function checkDataFile({ dataset }: Recipe, path: string): Promise<LocalFile> {
  const issue = { path: 'dataset.source', message: `is ${JSON.stringify(dataset.source)}: no such file` }
  return readDataFile(
    path,
    dataset.format,
    "Put it there, or change dataset.source; a path is taken from the recipe's own folder.",
    [issue],
  )
}

/** @throws RoslinError DATASET_NOT_FOUND with what to do then, DATASET_INVALID */
export async function readDataFile(
  path: string,
  format: Recipe['dataset']['format'],
  nextStep: string,
  issues: readonly Issue[] = [],
): Promise<LocalFile> {
  if (!existsSync(path) || !statSync(path).isFile()) {
    throw new RoslinError('DATASET_NOT_FOUND', `There is no data file ${path}.`, nextStep, issues)
  }
  const { size } = statSync(path)
  if (size > MAX_DATASET_BYTES) throw datasetTooLarge(path, size)
  await checkDataset(readFileSync(path), basename(path), format)
  return localFile(path, uploadName(basename(path)))
}

async function checkModelFolder(recipe: Recipe, folder: string): Promise<LocalFile[]> {
  const problem = (code: 'MODEL_NOT_FOUND' | 'MODEL_UNREADABLE', why: string) =>
    new RoslinError(
      code,
      `The base model folder ${folder} cannot be used: ${why}.`,
      "Give a folder with a model in Hugging Face's layout or one .gguf file, hf://owner/name, or an s3:// folder.",
      [{ path: 'baseModel.source', message: `is ${JSON.stringify(recipe.baseModel.source)}: ${why}` }],
    )
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw problem('MODEL_NOT_FOUND', 'there is no such folder')
  const files = await filesOf(folder, (why) => problem('MODEL_UNREADABLE', why))
  const names = files.map(({ name }) => name)
  if (!names.includes('config.json') && names.filter((name) => name.endsWith('.gguf')).length !== 1) {
    throw problem('MODEL_UNREADABLE', 'it has neither a config.json nor exactly one .gguf file')
  }
  const read = (name: string): unknown => {
    if (!names.includes(name)) return undefined
    try {
      return JSON.parse(readFileSync(join(folder, name), 'utf8'))
    } catch (error) {
      throw problem('MODEL_UNREADABLE', `its ${name} is not JSON (${(error as Error).message})`)
    }
  }
  const { contextTokens } = baseModelFacts(recipe, {
    contextTokens: contextTokensOfConfig(read('config.json')),
  })
  const countTokens = tokenCounter(read('tokenizer.json'), read('tokenizer_config.json'))
  checkPromptLengths(recipe, contextTokens, countTokens)
  return Promise.all(files.map(({ path, name }) => localFile(path, name)))
}

async function checkBenchmarkFolder(given: string, folder: string): Promise<LocalFile[]> {
  const problem = (why: string) =>
    new RoslinError(
      'BENCHMARKS_NOT_FOUND',
      `The benchmark folder ${folder} cannot be used: ${why}.`,
      "Give a folder with lm-eval tasks as .yaml files, or an s3:// folder; leave it out for lm-eval's own tasks.",
      [{ path: 'evaluation.benchmarks.folder', message: `is ${JSON.stringify(given)}: ${why}` }],
    )
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw problem('there is no such folder')
  const files = await filesOf(folder, problem)
  if (!files.some(({ name }) => name.endsWith('.yaml'))) throw problem('there is no .yaml file in it')
  return Promise.all(files.map(({ path, name }) => localFile(path, name)))
}

/** Sends the local inputs up, those the team does not have yet, and names them in the recipe by where they lie now. */
export async function sendUp(
  client: Client,
  recipe: Recipe,
  inputs: LocalInputs,
  note: (text: string) => void,
  signal?: AbortSignal,
): Promise<Recipe> {
  const datasetUri = await sendFiles(client, inputs.dataset, note, signal)
  const modelUri = await sendFiles(client, inputs.model, note, signal)
  const benchmarkUri = await sendFiles(client, inputs.benchmarks, note, signal)
  const { benchmarks } = recipe.evaluation
  return {
    ...recipe,
    dataset: { ...recipe.dataset, source: datasetUri[0] ?? recipe.dataset.source },
    baseModel: {
      ...recipe.baseModel,
      source: folderOf(modelUri[0], inputs.model[0]?.name) ?? recipe.baseModel.source,
    },
    evaluation: {
      ...recipe.evaluation,
      ...(benchmarks && {
        benchmarks: {
          ...benchmarks,
          folder: folderOf(benchmarkUri[0], inputs.benchmarks[0]?.name) ?? benchmarks.folder,
        },
      }),
    },
  }
}

async function sendFiles(
  client: Client,
  files: readonly LocalFile[],
  note: (text: string) => void,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const content = createHash('sha256')
  for (const { name, sha256 } of files) content.update(`${name}\0${sha256}\n`)
  const contentSha256 = content.digest('hex')
  const uris: string[] = []
  for (const file of files) {
    const { name, sha256, bytes } = file
    const request = { contentSha256, fileName: name, sha256, bytes }
    uris.push(await sendFile(() => client.createUpload(request), file, note, signal))
  }
  return uris
}

function folderOf(uri: string | undefined, name: string | undefined): string | undefined {
  return uri !== undefined && name !== undefined ? uri.slice(0, -name.length) : undefined
}
