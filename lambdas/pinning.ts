import { createHash } from 'node:crypto'
import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { z } from 'zod'
import { baseModelFacts, contextTokensOfConfig, hubRepository } from '../core/base-model.ts'
import { type DataSize, sizeOfRows } from '../core/data-size.ts'
import { checkDataset, checkedRows } from '../core/dataset.ts'
import { RoslinError } from '../core/errors.ts'
import { contentKey, type Deployment, makePlan, type PinnedInputs, type Plan } from '../core/plan.ts'
import { checkPromptLengths } from '../core/prompt-length.ts'
import type { Recipe } from '../core/recipe.ts'
import { parseS3Uri } from '../core/storage-layout.ts'
import { s3 } from './clients.ts'
import { readDatasetFile } from './dataset-file.ts'
import { hubCommit } from './hub.ts'
import { readJson } from './s3-json.ts'
import { findModelTokenCounter, findTokenCounter } from './tokenizer.ts'

/**
 * Plans a recipe: looks at its data and model where they lie, and pins what it finds.
 * @throws RoslinError when anything of it cannot be used; nothing has been started or written then.
 */
export async function planRecipe(
  run: { runId: string; createdAt: string },
  recipe: Recipe,
  deployment: Deployment,
): Promise<Plan> {
  const [model, dataset] = await Promise.all([
    pinModel(recipe, deployment.bucket),
    pinDataset(recipe, deployment.bucket),
    checkBenchmarks(recipe, deployment.bucket),
  ])
  checkPromptLengths(recipe, model.contextTokens, await findTokenCounter(recipe, model.revision))
  return makePlan(run, recipe, { model, dataset }, deployment)
}

async function pinDataset(recipe: Recipe, bucket: string): Promise<PinnedInputs['dataset']> {
  const { bytes, name } = await readDataset(recipe, bucket)
  const { rows } = await checkDataset(bytes, name, recipe.dataset.format)
  return { sha256: createHash('sha256').update(bytes).digest('hex'), rows }
}

/**
 * How much data there is, from the file itself.
 * @throws RoslinError DATASET_NOT_FOUND, DATASET_INVALID
 */
export async function datasetSize(recipe: Recipe, bucket: string): Promise<DataSize> {
  const [{ bytes, name }, countTokens] = await Promise.all([
    readDataset(recipe, bucket),
    findModelTokenCounter(recipe),
  ])
  return sizeOfRows(recipe, await checkedRows(bytes, name, recipe.dataset.format), countTokens)
}

const readDataset = (recipe: Recipe, bucket: string) =>
  readDatasetFile(recipe.dataset.source, bucket, 'dataset.source')

async function pinModel(recipe: Recipe, bucket: string): Promise<PinnedInputs['model']> {
  const repository = hubRepository(recipe.baseModel.source)
  return repository ? pinHubModel(recipe, repository) : pinModelFolder(recipe, bucket)
}

async function pinHubModel(recipe: Recipe, repository: string): Promise<PinnedInputs['model']> {
  const commit = await hubCommit(repository, recipe.baseModel.revision ?? 'main')
  return { ...baseModelFacts(recipe), revision: commit, contentKey: contentKey(['hf', repository, commit]) }
}

/** A model folder of the team's: Hugging Face's layout, or one GGUF file. */
async function pinModelFolder(recipe: Recipe, bucket: string): Promise<PinnedInputs['model']> {
  const source = recipe.baseModel.source.replace(/\/?$/, '/')
  const at = parseS3Uri(source)
  const problem = (code: 'MODEL_NOT_FOUND' | 'MODEL_UNREADABLE', why: string) =>
    new RoslinError(
      code,
      `The base model ${source} cannot be used: ${why}.`,
      `Give a local model folder (the CLI sends it up), a folder under s3://${bucket}/, or hf://owner/name.`,
      [{ path: 'baseModel.source', message: why }],
    )
  if (!at) throw problem('MODEL_NOT_FOUND', 'it is no s3:// or hf:// URI')
  if (at.bucket !== bucket) throw problem('MODEL_NOT_FOUND', "it is not in the team's bucket")
  const { Contents: files = [] } = await s3.send(
    new ListObjectsV2Command({ Bucket: at.bucket, Prefix: at.key }),
  )
  if (files.length === 0) throw problem('MODEL_NOT_FOUND', 'the folder is not there or empty')
  const names = files.map(({ Key = '' }) => Key.slice(at.key.length))
  const isGguf = names.filter((name) => name.endsWith('.gguf')).length === 1
  if (!names.includes('config.json') && !isGguf) {
    throw problem('MODEL_UNREADABLE', 'it has neither a config.json nor exactly one .gguf file')
  }
  const config = names.includes('config.json')
    ? await readJson(`${source}config.json`, z.unknown())
    : undefined
  return {
    ...baseModelFacts(recipe, { contextTokens: contextTokensOfConfig(config) }),
    contentKey: contentKey([
      'folder',
      ...files.flatMap(({ Key = '', Size = 0, ETag = '' }) => [Key.slice(at.key.length), Size, ETag]),
    ]),
  }
}

/** A folder of the team's own tasks must be there; whether the tasks are in it, Prepare sees. */
async function checkBenchmarks(recipe: Recipe, bucket: string): Promise<void> {
  const folder = recipe.evaluation.benchmarks?.folder?.replace(/\/?$/, '/')
  if (folder === undefined) return
  const at = parseS3Uri(folder)
  const problem = (why: string) =>
    new RoslinError(
      'BENCHMARKS_NOT_FOUND',
      `The folder of benchmarks ${folder} cannot be used: ${why}.`,
      `Give a local folder (the CLI sends it up) or a folder under s3://${bucket}/.`,
      [{ path: 'evaluation.benchmarks.folder', message: why }],
    )
  if (!at) throw problem('it is no s3:// URI')
  if (at.bucket !== bucket) throw problem("it is not in the team's bucket")
  const { Contents: files = [] } = await s3.send(
    new ListObjectsV2Command({ Bucket: at.bucket, Prefix: at.key, MaxKeys: 1 }),
  )
  if (files.length === 0) throw problem('nothing is stored there')
}
