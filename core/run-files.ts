import { z } from 'zod'

/**
 * The files a container writes under its run's folder, as everyone else reads them.
 * Looser than the plan: another trainer may write more than these fields.
 */

/** `metrics.json`, rewritten every few seconds; bounded, however long the run. */
export const metricsSchema = z.object({
  updatedAt: z.iso.datetime({ offset: true }),
  device: z.string(),
  worldSize: z.int().positive(),
  epoch: z.number(),
  epochs: z.number(),
  step: z.int().min(0),
  totalSteps: z.int().min(0),
  tokensPerSecond: z.number().nullable(),
  etaSeconds: z.number().nullable(),
  lossFirst: z.number().nullable(),
  lossLast: z.number().nullable(),
  /** Of all attempts, at the plan's list price: 0 where the machine has none. */
  costUsd: z.number().nullish(),
  elapsedSeconds: z.number().nullish(),
  samplesPerSecond: z.number().nullish(),
  /** Tokens that are learned from. */
  supervisedTokensPerSecond: z.number().nullish(),
  /** Of the slots computed, those without a token. */
  paddingFraction: z.number().nullish(),
  stepSeconds: z.number().nullish(),
  /** Steps that left the weights as they were, because their loss was no number. */
  skippedSteps: z.int().min(0).nullish(),
  heldOutLoss: z.array(z.object({ epoch: z.number(), loss: z.number() })),
  /** Columns of equal length, downsampled to at most 1,000 points. */
  series: z.object({
    step: z.array(z.number()),
    loss: z.array(z.number()),
    learningRate: z.array(z.number()),
    /** Null where it overflowed: mixed precision skips such a step. */
    gradientNorm: z.array(z.number().nullable()),
    tokensPerSecond: z.array(z.number()),
    samplesPerSecond: z.array(z.number()).optional(),
    supervisedTokensPerSecond: z.array(z.number()).optional(),
    paddingFraction: z.array(z.number()).optional(),
    stepSeconds: z.array(z.number()).optional(),
  }),
})
export type Metrics = z.output<typeof metricsSchema>

/** `evaluation.json`: the same prompts answered by the base model and by each kept checkpoint. */
export const evaluationSchema = z.object({
  models: z.array(z.object({ name: z.string(), epoch: z.number(), heldOutLoss: z.number().nullable() })),
  prompts: z.array(
    z.object({
      instruction: z.string(),
      input: z.string().nullable(),
      expect: z.string().nullable(),
      /** One answer a model, in the order of `models`. `right` is null where nothing was expected. */
      answers: z.array(z.object({ text: z.string(), right: z.boolean().nullable() })),
    }),
  ),
})
export type Evaluation = z.output<typeof evaluationSchema>

/** `error.json`: why the last attempt of a step ended badly. */
export const stepErrorSchema = z.object({
  step: z.string(),
  exitCode: z.int(),
  code: z.string(),
  message: z.string(),
  nextStep: z.string(),
})
export type StepError = z.output<typeof stepErrorSchema>

/** `manifest.json` of a checkpoint, a model or prepared rows: written last, so a folder without one is not complete. */
export const manifestSchema = z.object({
  kind: z.enum(['checkpoint', 'model', 'prepared']),
  epoch: z.number(),
  files: z.array(z.object({ path: z.string(), bytes: z.int().min(0), sha256: z.string() })),
})
export type Manifest = z.output<typeof manifestSchema>
