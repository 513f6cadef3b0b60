import { Tokenizer } from '@huggingface/tokenizers'

/** The number of tokens that a model reads a text as. */
export type CountTokens = (text: string) => number

/**
 * Counts as the model's own tokenizer does, from its `tokenizer.json` and `tokenizer_config.json`.
 * Undefined for files that the library cannot read: the trainer's library, which knows more kinds, has the last word.
 */
export function tokenCounter(tokenizer: unknown, config: unknown): CountTokens | undefined {
  if (!isObject(tokenizer) || !isObject(config)) return undefined
  try {
    const loaded = new Tokenizer(tokenizer, config)
    return (text) => loaded.encode(text).ids.length
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
