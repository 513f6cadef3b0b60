import { readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { datasetTooLarge, MAX_DATASET_BYTES } from '../core/data-file.ts'
import { type DataSize, sizeOfRows } from '../core/data-size.ts'
import { checkedRows } from '../core/dataset.ts'
import type { Recipe } from '../core/recipe.ts'
import { type CountTokens, tokenCounter } from '../core/tokenizer.ts'
import { isRemote } from './local-inputs.ts'

/**
 * How much data lies beside the recipe; undefined where it is elsewhere, or no file is there.
 * @throws RoslinError DATASET_INVALID
 */
export async function localSize(recipe: Recipe, recipeFile: string): Promise<DataSize | undefined> {
  const folder = dirname(resolve(recipeFile))
  const path = resolve(folder, recipe.dataset.source)
  const file = isRemote(recipe.dataset.source) ? undefined : statSync(path, { throwIfNoEntry: false })
  if (!file?.isFile()) return undefined
  if (file.size > MAX_DATASET_BYTES) throw datasetTooLarge(path, file.size)
  const rows = await checkedRows(readFileSync(path), basename(path), recipe.dataset.format)
  return sizeOfRows(recipe, rows, localTokenCounter(recipe, folder))
}

/** Of a model folder beside the recipe that has its tokenizer as files; what is wrong with it, is said when a run is started. */
function localTokenCounter({ baseModel }: Recipe, folder: string): CountTokens | undefined {
  if (isRemote(baseModel.source)) return undefined
  const [tokenizer, config] = ['tokenizer.json', 'tokenizer_config.json'].map((name) => {
    try {
      return JSON.parse(readFileSync(join(resolve(folder, baseModel.source), name), 'utf8'))
    } catch {
      return undefined
    }
  })
  return tokenCounter(tokenizer, config)
}
