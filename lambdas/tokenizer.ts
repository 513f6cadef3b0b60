import { z } from 'zod'
import { hubRepository } from '../core/base-model.ts'
import type { Recipe } from '../core/recipe.ts'
import { type CountTokens, tokenCounter } from '../core/tokenizer.ts'
import { readJson } from './s3-json.ts'

/** How the recipe's base model counts tokens; undefined where its tokenizer cannot be read: then Prepare counts. */
export async function findTokenCounter(
  { baseModel, evaluation }: Recipe,
  revision?: string,
): Promise<CountTokens | undefined> {
  if (evaluation.prompts.length === 0) return undefined
  const repository = hubRepository(baseModel.source)
  const read = (name: string) =>
    repository
      ? readHubJson(`${repository}/resolve/${revision}/${name}`)
      : readJson(`${baseModel.source.replace(/\/?$/, '/')}${name}`, z.unknown())
  const files = await Promise.all([read('tokenizer.json'), read('tokenizer_config.json')]).catch(() => [])
  return tokenCounter(files[0], files[1])
}

async function readHubJson(path: string): Promise<unknown> {
  const response = await fetch(`https://huggingface.co/${path}`, { signal: AbortSignal.timeout(5000) })
  return response.ok ? response.json() : undefined
}
