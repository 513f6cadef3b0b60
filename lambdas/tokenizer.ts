import { z } from 'zod'
import { hubRepository } from '../core/base-model.ts'
import type { Recipe } from '../core/recipe.ts'
import { parseS3Uri } from '../core/storage-layout.ts'
import { type CountTokens, tokenCounter } from '../core/tokenizer.ts'
import { readHubJson } from './hub.ts'
import { readJson } from './s3-json.ts'

/** How a model folder of the team's counts tokens; undefined for a model of the Hub, or where its tokenizer cannot be read. */
export async function findModelTokenCounter({ baseModel }: Recipe): Promise<CountTokens | undefined> {
  return parseS3Uri(baseModel.source) ? readCounter(inFolder(baseModel.source)) : undefined
}

/** How the recipe's base model counts tokens; undefined where its tokenizer cannot be read: then Prepare counts. */
export async function findTokenCounter(
  { baseModel, evaluation }: Recipe,
  revision?: string,
): Promise<CountTokens | undefined> {
  if (evaluation.prompts.length === 0) return undefined
  const repository = hubRepository(baseModel.source)
  return readCounter(
    repository ? (name) => readHubJson(repository, revision ?? 'main', name) : inFolder(baseModel.source),
  )
}

type ReadFile = (name: string) => Promise<unknown>

const inFolder =
  (source: string): ReadFile =>
  (name) =>
    readJson(`${source.replace(/\/?$/, '/')}${name}`, z.unknown())

async function readCounter(read: ReadFile): Promise<CountTokens | undefined> {
  const files = await Promise.all([read('tokenizer.json'), read('tokenizer_config.json')]).catch(() => [])
  return tokenCounter(files[0], files[1])
}
