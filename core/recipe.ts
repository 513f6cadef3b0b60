import { z } from 'zod'
import { RoslinError } from './errors.ts'
import { GPU_ARCHITECTURES } from './instance-types.ts'
import { schemaIssues } from './schema-issues.ts'

export const slugSchema = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/,
    'lower-case letters, digits and inner hyphens, 1 to 40 characters',
  )

/** SPDX identifier, or a `LicenseRef-` for what SPDX does not list. */
const licence = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9.+-]*$/, 'an SPDX identifier such as Apache-2.0 or CC-BY-NC-4.0')

const baseModel = z
  .strictObject({
    source: z
      .string()
      .min(1)
      .describe('hf://owner/name, an s3:// folder of the team, or a local folder beside the recipe'),
    revision: z
      .string()
      .min(1)
      .optional()
      .describe('hf:// only: a commit or branch; a branch is pinned to its commit'),
    licence,
    parameters: z
      .int()
      .positive()
      .optional()
      .describe('Number of weights; needed where Roslin does not know the model'),
    contextTokens: z
      .int()
      .positive()
      .optional()
      .describe('Longest input in tokens; needed where Roslin does not know the model'),
  })
  .describe('The pretrained causal language model to start from')

const dataset = z.strictObject({
  source: z
    .string()
    .min(1)
    .describe(
      'An s3:// object of the team, or a local file beside the recipe: a JSON array, JSON Lines, either in .gz, or Parquet',
    ),
  licence,
  format: z
    .enum(['auto', 'alpaca', 'dolly', 'chat'])
    .default('auto')
    .describe(
      'alpaca: instruction, input, output; dolly: instruction, context, response; chat: messages; auto: by the first row',
    ),
  heldOutFraction: z
    .number()
    .min(0)
    .max(0.5)
    .default(0.02)
    .describe('Share of the rows never trained on; their loss is reported'),
})

const DOLLY_INTRODUCTION =
  'Below is an instruction that describes a task. Write a response that appropriately completes the request.'

/** How a row becomes text. The default is Dolly's: Alpaca's template with an end key. */
const template = z
  .strictObject({
    prompt: z
      .string()
      .includes('{instruction}')
      .default(`${DOLLY_INTRODUCTION}\n\n### Instruction:\n{instruction}\n\n### Response:\n`)
      .describe('All before the response of a row without input'),
    promptWithInput: z
      .string()
      .includes('{instruction}')
      .includes('{input}')
      .default(
        `${DOLLY_INTRODUCTION}\n\n### Instruction:\n{instruction}\n\nInput:\n{input}\n\n### Response:\n`,
      )
      .describe('All before the response of a row with input'),
    end: z
      .string()
      .trim()
      .min(1)
      .default('### End')
      .describe('Ends each response, after an empty line; generation stops at it'),
  })
  .describe('Texts around a row; {instruction} and {input} stand for its fields')

const lora = z.strictObject({
  rank: z.int().min(1).max(512).default(8),
  alpha: z.number().positive().default(16),
  dropout: z.number().min(0).lt(1).default(0),
})

const training = z.strictObject({
  method: z
    .enum(['full', 'lora', 'qlora'])
    .default('full')
    .describe(
      'full: every weight; lora: low-rank adapters, merged at the end; qlora: likewise, over a base in 4 bits',
    ),
  lora: lora.prefault({}),
  epochs: z.int().min(1).max(100).default(1),
  keepEpochs: z
    .array(z.int().min(1))
    .optional()
    .describe('Epochs whose checkpoints stay and are compared; default: the last'),
  learningRate: z.number().positive().max(1).default(1e-5),
  warmupSteps: z.int().min(0).default(0),
  schedule: z.enum(['constant', 'linear', 'cosine']).default('constant'),
  weightDecay: z.number().min(0).default(0),
  batchSizePerGpu: z.int().min(1).max(1024).default(8).describe('Rows per GPU (or CPU process) and step'),
  gradientAccumulationSteps: z.int().min(1).max(1024).default(1),
  maxTokens: z
    .int()
    .min(16)
    .max(131072)
    .default(1024)
    .describe('Longest row, prompt and response together; longer rows are cut'),
  precision: z
    .enum(['auto', 'fp32', 'fp16', 'bf16'])
    .default('auto')
    .describe(
      'auto: bf16 where the GPU has it, else fp16; fp32 on a CPU, which can be told bf16 where it has AMX or AVX512-BF16',
    ),
  sharding: z
    .enum(['auto', 'none', 'zero2', 'zero3', 'zero3-offload'])
    .default('auto')
    .describe('What DeepSpeed spreads over the GPUs; auto: the least that fits their memory'),
  gradientCheckpointing: z
    .enum(['auto', 'on', 'off'])
    .default('auto')
    .describe('Computes activations twice to save memory; auto: only where memory asks for it'),
  seed: z.int().min(0).max(4294967295).default(42),
})

const resources = z.strictObject({
  gpus: z.int().min(0).max(8).default(8).describe('GPUs on one instance; 0 trains on CPU'),
  nodes: z
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe('Instances that train together, all of one capacity option; several not on Spot'),
  minGpuMemoryGiB: z.number().positive().optional(),
  architectures: z
    .array(z.enum(GPU_ARCHITECTURES))
    .min(1)
    .optional()
    .describe('GPUs of these generations alone; default: any'),
  maxPriceUsdPerHour: z.number().positive().optional().describe('Of one instance'),
})

const prompt = z.strictObject({
  instruction: z.string().trim().min(1),
  input: z.string().optional(),
  expect: z
    .string()
    .min(1)
    .optional()
    .describe('A control: the answer is right when it contains this, whatever the case'),
})

const benchmarks = z
  .strictObject({
    tasks: z.array(z.string().min(1)).min(1).max(50).describe('Names of lm-eval tasks'),
    folder: z
      .string()
      .min(1)
      .optional()
      .describe('Task files of your own: an s3:// folder of the team, or a local folder beside the recipe'),
    limit: z.int().positive().optional().describe('Questions of each task; default: all'),
  })
  .describe('Benchmarks run by lm-eval on the base model and on each kept checkpoint')

const evaluation = z.strictObject({
  prompts: z.array(prompt).max(200).default([]),
  maxNewTokens: z.int().min(1).max(4096).default(256),
  temperature: z.number().min(0).max(2).default(1).describe('0: greedy, the same answer each time'),
  topP: z.number().gt(0).max(1).default(0.92),
  topK: z.int().min(0).default(0).describe('0: off'),
  seed: z.int().min(0).max(4294967295).default(42),
  benchmarks: benchmarks.optional(),
})

/** Batch refuses a job's timeout below a minute. */
const maxHours = z.number().min(0.02).max(336)
const maxUsd = z.number().positive()

const limits = z.strictObject({
  maxHours: maxHours
    .default(24)
    .describe(
      'Longest time one training job may take; all of them may cost what it costs on the dearest option',
    ),
  maxUsd: maxUsd
    .optional()
    .describe(
      'What the run may cost; at the limit it saves a checkpoint and stops. A tenth is kept for the evaluation',
    ),
})

/** Limits that an ended run is given to go on with; those left out stay. */
export const limitsPatchSchema = z.strictObject({ maxHours: maxHours.optional(), maxUsd: maxUsd.optional() })

/** What a person writes. Unknown fields are errors; everything left out has the published Dolly value. */
export const recipeSchema = z
  .strictObject({
    name: slugSchema,
    description: z.string().max(500).optional(),
    baseModel,
    dataset,
    template: template.prefault({}),
    training: training.prefault({}),
    resources: resources.prefault({}),
    evaluation: evaluation.prefault({}),
    limits: limits.prefault({}),
  })
  .superRefine((recipe, context) => {
    for (const [index, epoch] of (recipe.training.keepEpochs ?? []).entries()) {
      if (epoch > recipe.training.epochs) {
        context.addIssue({
          code: 'custom',
          path: ['training', 'keepEpochs', index],
          message: `there are only ${recipe.training.epochs} epochs`,
        })
      }
    }
  })

export type Recipe = z.output<typeof recipeSchema>

/** @throws RoslinError RECIPE_INVALID, naming every field that is wrong. */
export function parseRecipe(input: unknown): Recipe {
  const result = recipeSchema.safeParse(input)
  if (result.success) return result.data
  throw new RoslinError(
    'RECIPE_INVALID',
    'The recipe has fields that cannot be used.',
    'Mend the fields named; docs/reference/recipe.schema.json lists what is allowed.',
    schemaIssues(result.error, input),
  )
}

/** The epochs whose checkpoints stay: the recipe's, and always the last. */
export function keptEpochs(recipe: Recipe): number[] {
  return [...new Set([...(recipe.training.keepEpochs ?? []), recipe.training.epochs])].sort((a, b) => a - b)
}

/** How many machines train together. A recipe that an earlier release stored does not say. */
export function nodesOf({ resources }: Recipe): number {
  return resources.nodes ?? 1
}
