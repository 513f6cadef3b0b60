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
  /** Of all attempts and nodes, at the real price of the machine where it is known, else the plan's: 0 where there is none. */
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
  /** Of lm-eval, where the recipe asks for them. One value a model, in the order of `models`. */
  benchmarks: z
    .array(
      z.object({
        task: z.string(),
        metric: z.string(),
        higherIsBetter: z.boolean().nullable(),
        values: z.array(z.number().nullable()),
      }),
    )
    .optional(),
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

/** `machines/<job>.json`: what a job really runs on. Missing where the machine has no metadata service. */
export const machineSchema = z.object({
  instanceType: z.string(),
  purchase: z.enum(['on-demand', 'spot']),
  availabilityZone: z.string().nullish(),
  instanceId: z.string().nullish(),
  /** Of the Spot market, when it started; null where it could not be had, and for on-demand. */
  priceUsdPerHour: z.number().positive().nullable(),
})

/** `manifest.json` of a checkpoint, a model or prepared rows: written last, so a folder without one is not complete. */
export const manifestSchema = z.object({
  kind: z.enum(['checkpoint', 'model', 'prepared']),
  epoch: z.number(),
  files: z.array(z.object({ path: z.string(), bytes: z.int().min(0), sha256: z.string() })),
})
export type Manifest = z.output<typeof manifestSchema>

/** One value a point. Null where the instrument told nothing. */
const column = z.array(z.number().nullable())
/** The lowest, mean and highest of the samples that a point stands for; null where the machine has no such instrument. */
const band = z.object({ low: column, mean: column, high: column }).nullable()
const figure = z.object({ mean: z.number().nullable(), max: z.number().nullable() })
const newest = z.number().nullable()

const ofHost = <T extends z.ZodType>(type: T) => z.object({ cpuPercent: type, memoryMiB: type })
const ofGpu = <T extends z.ZodType>(type: T) =>
  z.object({
    utilisationPercent: type,
    memoryMiB: type,
    powerWatts: type,
    temperatureCelsius: type,
    smClockMHz: type,
    pcieSentMiBPerSecond: type,
    pcieReceivedMiBPerSecond: type,
    nvlinkSentMiBPerSecond: type,
    nvlinkReceivedMiBPerSecond: type,
    throttledPercent: type,
  })

const profiledGpus = z.array(
  z.object({
    index: z.int(),
    name: z.string(),
    uuid: z.string(),
    memoryMiB: z.number(),
    computeCapability: z.string(),
    powerLimitWatts: z.number().nullable(),
  }),
)

/** Over all samples, not over the points that are left of them. */
const profileSummary = z.object({
  hours: z.number(),
  host: ofHost(figure),
  gpus: z.array(
    ofGpu(figure).extend({
      energyKwh: z.number(),
      /** Seconds by the reason that NVML gives: `swPowerCap`, `hwThermalSlowdown`, … */
      throttledSeconds: z.record(z.string(), z.number()),
    }),
  ),
})

/** `profile/node-0.json`, one a machine: what its GPUs and processors did. Rewritten while training; bounded. */
export const profileSchema = z.object({
  node: z.int().min(0),
  startedAt: z.iso.datetime({ offset: true }),
  updatedAt: z.iso.datetime({ offset: true }),
  /** Why there are no GPUs in it, where there are none. */
  note: z.string().nullable(),
  instanceType: z.string().nullable(),
  cpus: z.int(),
  memoryMiB: z.number(),
  driverVersion: z.string().nullable(),
  /** The newest CUDA that the driver carries; not the driver's own version. */
  cudaDriverVersion: z.string().nullable(),
  gpus: profiledGpus,
  /** A row and a column a GPU, in the words of `nvidia-smi topo -m`. */
  topology: z.array(z.array(z.string())),
  errors: z.array(
    z.object({
      gpu: z.int().nullable(),
      call: z.string().nullable(),
      message: z.string(),
      count: z.int(),
    }),
  ),
  summary: profileSummary,
  /** Means since the last point of the series. */
  newest: z.object({ host: ofHost(newest), gpus: z.array(ofGpu(newest)) }),
  /** At most 1,000 points. `seconds` since `startedAt` is when a point begins. */
  series: z.object({ seconds: z.array(z.number()), host: ofHost(band), gpus: z.array(ofGpu(band)) }),
  earlierAttempts: z.array(
    z.object({
      startedAt: z.iso.datetime({ offset: true }),
      updatedAt: z.iso.datetime({ offset: true }),
      instanceType: z.string().nullable(),
      gpus: profiledGpus,
      summary: profileSummary,
    }),
  ),
})
export type Profile = z.output<typeof profileSchema>

/** `statistics.json`: what the data set turned into. Written by Prepare, also where the rows were there already. */
export const statisticsSchema = z.object({
  format: z.enum(['alpaca', 'dolly', 'chat']),
  trainRows: z.int().min(0),
  heldOutRows: z.int().min(0),
  /** Cut to `training.maxTokens`. */
  truncatedRows: z.int().min(0),
  /** Left out: a response is blank in the file, or their prompt alone takes `training.maxTokens`. */
  rowsWithoutResponse: z.int().min(0),
  /** Of the rows trained on and those held out, after cutting. */
  tokens: z.int().min(0),
  supervisedTokens: z.int().min(0),
  tokensPerRow: z.object({ mean: z.number(), median: z.int(), p95: z.int(), max: z.int() }),
  /** Rows of at most `upToTokens`, and of more than the bin before; each bin reaches twice as far. */
  lengthHistogram: z.array(z.object({ upToTokens: z.int(), rows: z.int().min(0) })),
  /** Of the rows trained on: what batches padded to their longest row and a multiple of 8 would hold in the first epoch. */
  padding: z.object({
    batchSizePerGpu: z.int().positive(),
    tokens: z.int().min(0),
    slotsWhenPadded: z.int().min(0),
    /** 0.5: half of a padded batch would have been padding. */
    avoidedShare: z.number(),
  }),
})
export type Statistics = z.output<typeof statisticsSchema>
