import { RoslinError } from './errors.ts'
import type { Recipe } from './recipe.ts'
import { promptText } from './template.ts'
import type { CountTokens } from './tokenizer.ts'

/** The longest token in the vocabularies of GPT-2's family is a run of 128 spaces or dashes. */
const LONGEST_TOKEN_CHARACTERS = 128

/** A number of tokens the text has at the very least: byte-pair tokens do not reach across words. */
function fewestTokens(text: string): number {
  const words = text.split(/\s+/).filter(Boolean).length
  return Math.max(words, Math.ceil(text.length / LONGEST_TOKEN_CHARACTERS))
}

/**
 * Refuses evaluation prompts that cannot fit the model's context with their answers. Without a tokenizer it counts a lower
 * bound, so it never refuses a prompt that fits; Prepare counts exactly, before any GPU is started.
 * @throws RoslinError PROMPT_TOO_LONG, naming each prompt.
 */
export function checkPromptLengths(recipe: Recipe, contextTokens: number, countTokens?: CountTokens): void {
  const { prompts, maxNewTokens } = recipe.evaluation
  const count = countTokens ?? fewestTokens
  const issues = prompts.flatMap((prompt, index) => {
    const tokens = count(promptText(recipe.template, prompt)) + maxNewTokens
    if (tokens <= contextTokens) return []
    const needs = `needs ${countTokens ? '' : 'at least '}${tokens} tokens with its answer`
    return [
      { path: `evaluation.prompts.${index}`, message: `${needs}; the model's context is ${contextTokens}` },
    ]
  })
  if (recipe.training.maxTokens > contextTokens) {
    issues.push({
      path: 'training.maxTokens',
      message: `is ${recipe.training.maxTokens}; the model's context is ${contextTokens}`,
    })
  }
  if (issues.length === 0) return
  throw new RoslinError(
    'PROMPT_TOO_LONG',
    `The recipe asks for more tokens than ${recipe.baseModel.source} can read (${contextTokens}).`,
    'Shorten the prompts named, or lower evaluation.maxNewTokens or training.maxTokens.',
    issues,
  )
}
