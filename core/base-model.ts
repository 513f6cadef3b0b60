import { z } from 'zod'
import { RoslinError } from './errors.ts'
import type { Recipe } from './recipe.ts'

/** What planning needs to know of a base model before a container has opened it. */
export interface BaseModelFacts {
  readonly parameters: number
  readonly contextTokens: number
}

/** Models people ask for by name. Source: each model's config.json and model card on the Hugging Face Hub. */
const KNOWN_MODELS: Readonly<Record<string, BaseModelFacts>> = {
  'EleutherAI/gpt-j-6b': { parameters: 6_050_882_784, contextTokens: 2048 },
  'EleutherAI/pythia-12b': { parameters: 11_846_072_320, contextTokens: 2048 },
  'stabilityai/stablelm-base-alpha-7b': { parameters: 7_868_755_968, contextTokens: 4096 },
  'stabilityai/stablelm-3b-4e1t': { parameters: 2_795_443_200, contextTokens: 4096 },
}

/** `hf://owner/name` → `owner/name`. */
export function hubRepository(source: string): string | undefined {
  return /^hf:\/\/(\w[\w.-]*\/\w[\w.-]*)$/.exec(source)?.[1]
}

const hubConfig = z.looseObject({
  max_position_embeddings: z.int().positive().optional(),
  n_positions: z.int().positive().optional(),
  n_ctx: z.int().positive().optional(),
})

/** The context length a model's config.json states, under whichever of its usual names. */
export function contextTokensOfConfig(config: unknown): number | undefined {
  const parsed = hubConfig.safeParse(config)
  return parsed.data?.max_position_embeddings ?? parsed.data?.n_positions ?? parsed.data?.n_ctx
}

/**
 * The facts of the recipe's base model: what the recipe says, else what the model's own files say, else the table above.
 * @throws RoslinError MODEL_UNREADABLE where nobody knows.
 */
export function baseModelFacts(recipe: Recipe, fromFiles: Partial<BaseModelFacts> = {}): BaseModelFacts {
  const { source, parameters, contextTokens } = recipe.baseModel
  const known = KNOWN_MODELS[hubRepository(source) ?? '']
  const facts = {
    parameters: parameters ?? fromFiles.parameters ?? known?.parameters,
    contextTokens: contextTokens ?? fromFiles.contextTokens ?? known?.contextTokens,
  }
  if (facts.parameters !== undefined && facts.contextTokens !== undefined) {
    return { parameters: facts.parameters, contextTokens: facts.contextTokens }
  }
  const missing = (['parameters', 'contextTokens'] as const).filter((field) => facts[field] === undefined)
  throw new RoslinError(
    'MODEL_UNREADABLE',
    `Nothing says how large the base model ${source} is: ${missing.join(' and ')} unknown.`,
    `Add ${missing.map((field) => `baseModel.${field}`).join(' and ')} to the recipe.`,
    missing.map((field) => ({ path: `baseModel.${field}`, message: 'needed for this model' })),
  )
}

/**
 * The number of weights alone, where the model's files have not been looked at.
 * @throws RoslinError MODEL_UNREADABLE
 */
export function modelParameters(recipe: Recipe): number {
  // Any context will do: it is not asked for.
  return baseModelFacts(recipe, { contextTokens: recipe.training.maxTokens }).parameters
}
