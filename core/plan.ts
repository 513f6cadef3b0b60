import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { BaseModelFacts } from './base-model.ts'
import { runBudget } from './budget.ts'
import { type DeployedCapacity, fittingCapacity } from './capacity.ts'
import { type InstanceTypeName, instanceType } from './instance-types.ts'
import { inheritedLicence } from './licence.ts'
import { PURCHASES } from './purchase.ts'
import { keptEpochs, type Recipe, recipeSchema } from './recipe.ts'
import { storageLayout } from './storage-layout.ts'
import { schemaTooNew } from './store/schema-versions.ts'
import { reservationSchema } from './team-capacity.ts'

/** What a job asks of its machine. */
const machineSchema = z.strictObject({
  vcpus: z.int().positive(),
  memoryMiB: z.int().positive(),
  gpus: z.int().min(0),
})

export type PlannedMachine = z.output<typeof machineSchema>

/** What one Batch job is given. */
const stepSchema = z.strictObject({
  jobQueueArn: z.string(),
  jobDefinitionArn: z.string(),
  ...machineSchema.shape,
  timeoutSeconds: z.int().positive(),
})

export type PlannedStep = z.output<typeof stepSchema>

/** Its queue and machine are those of the capacity option it runs on. */
const gpuStepSchema = stepSchema.pick({ jobDefinitionArn: true })

/** Raised where a trainer or a step that does not know a new field would do something else than the plan says. */
const PLAN_VERSION = 1

/** What the system runs: the recipe with every reference pinned. Immutable; the only thing a container is pointed to. */
export const planSchema = z.strictObject({
  planVersion: z.literal(PLAN_VERSION),
  runId: z.string(),
  team: z.string(),
  createdAt: z.iso.datetime(),
  recipe: recipeSchema,
  keepEpochs: z.array(z.int().min(1)),
  baseModel: z.strictObject({
    source: z.string(),
    /** The commit, for a model of the Hub. */
    revision: z.string().optional(),
    licence: z.string(),
    parameters: z.int().positive(),
    contextTokens: z.int().positive(),
    /** Where Prepare puts the model, and Train and Evaluate read it. */
    mirrorUri: z.string(),
  }),
  dataset: z.strictObject({
    uri: z.string(),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    rows: z.int().positive(),
    licence: z.string(),
  }),
  preparedUri: z.string(),
  runUri: z.string(),
  modelUri: z.string(),
  licence: z.strictObject({
    commercialUse: z.boolean(),
    shareAlike: z.boolean(),
    because: z.array(z.string()).readonly(),
  }),
  code: z.strictObject({ version: z.string(), trainerImage: z.string() }),
  capacity: z.array(
    z.strictObject({
      instanceType: z.string(),
      purchase: z.enum(PURCHASES),
      waitMinutes: z.int(),
      jobQueueArn: z.string(),
      amiId: z.string().optional(),
      reservation: reservationSchema.optional(),
      maxNodes: z.int().optional(),
      multiNodeJobDefinitionArn: z.string().optional(),
      /** Of one machine. */
      priceUsdPerHour: z.number(),
      priceCheckedOn: z.string().optional(),
      /** Where the price is not of the team's own region. */
      priceRegion: z.string().optional(),
      reason: z.string(),
      /** Of each node. */
      machine: machineSchema,
      trainTimeoutSeconds: z.int().positive(),
      evaluateTimeoutSeconds: z.int().positive(),
    }),
  ),
  /** The team's other options, and why they do not fit. */
  refusedCapacity: z.array(z.strictObject({ option: z.string(), reason: z.string() })),
  /** What is reserved of the team's budget: the run may not cost more. */
  reservedUsd: z.number(),
  /** What all training jobs together may cost of it: at this limit the trainer saves a checkpoint and stops. */
  trainingBudgetUsd: z.number(),
  steps: z.strictObject({ prepare: stepSchema, train: gpuStepSchema, evaluate: gpuStepSchema }),
})

export type Plan = z.output<typeof planSchema>
export type StepName = keyof Plan['steps']

/** @throws RoslinError SCHEMA_TOO_NEW for a plan that newer code has made: of a later version, or with fields that are not known here */
export function parsePlan(content: unknown): Plan {
  const { success, data, error } = planSchema.safeParse(content)
  if (success) return data
  const version = Reflect.get(Object(content), 'planVersion')
  if (version > PLAN_VERSION) throw schemaTooNew('The plan has version', version, PLAN_VERSION)
  const unknown = error.issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : []))
  if (unknown.length > 0)
    throw schemaTooNew(`The plan has ${unknown.join(', ')}; its version`, version, PLAN_VERSION)
  throw error
}

/** What planning found outside: the facts that are not in the recipe. */
export interface PinnedInputs {
  readonly model: BaseModelFacts & { readonly revision?: string; readonly contentKey: string }
  readonly dataset: { readonly sha256: string; readonly rows: number }
}

/** Where a plan will run: the team's deployment. */
export interface Deployment {
  readonly team: string
  readonly region: string
  readonly bucket: string
  readonly cpuJobQueueArn: string
  readonly jobDefinitionArns: Readonly<Record<StepName, string>>
  readonly capacity: readonly DeployedCapacity[]
  readonly codeVersion: string
  readonly trainerImage: string
}

/** Evaluation generates for minutes, not days; twelve hours is beyond any table of prompts. */
export const EVALUATE_TIMEOUT_SECONDS = 12 * 3600
/** Mirroring 48 GB from the Hub at 50 MB/s takes a quarter of an hour; the rest is room. */
export const PREPARE_TIMEOUT_SECONDS = 6 * 3600

/**
 * The plan of a run: pure, so the same recipe, inputs and deployment give the same plan.
 * @throws RoslinError NO_CAPACITY_FITS, LIMIT_TOO_LOW
 */
export function makePlan(
  run: { runId: string; createdAt: string },
  recipe: Recipe,
  inputs: PinnedInputs,
  deployment: Deployment,
): Plan {
  const layout = storageLayout(deployment.bucket)
  return {
    planVersion: PLAN_VERSION,
    runId: run.runId,
    team: deployment.team,
    createdAt: run.createdAt,
    keepEpochs: keptEpochs(recipe),
    baseModel: {
      source: recipe.baseModel.source,
      ...(inputs.model.revision && { revision: inputs.model.revision }),
      licence: recipe.baseModel.licence,
      parameters: inputs.model.parameters,
      contextTokens: inputs.model.contextTokens,
      mirrorUri: layout.baseModel(inputs.model.contentKey),
    },
    dataset: { uri: recipe.dataset.source, ...inputs.dataset, licence: recipe.dataset.licence },
    preparedUri: layout.prepared(preparedKey(recipe, inputs)),
    runUri: layout.run(run.runId),
    modelUri: layout.model(recipe.name, run.runId),
    licence: inheritedLicence([
      { of: recipe.baseModel.source, spdx: recipe.baseModel.licence },
      { of: recipe.dataset.source, spdx: recipe.dataset.licence },
    ]),
    ...placement(recipe, inputs.model.parameters, deployment),
  }
}

/**
 * The plan of a run that goes on: the same model, data and files; limits, capacity and code as they are now.
 * @throws RoslinError NO_CAPACITY_FITS, LIMIT_TOO_LOW
 */
export function replan(previous: Plan, limits: Recipe['limits'], deployment: Deployment): Plan {
  const recipe = { ...previous.recipe, limits }
  return { ...previous, ...placement(recipe, previous.baseModel.parameters, deployment) }
}

/** Where and within what limits the recipe runs. */
function placement(recipe: Recipe, parameters: number, deployment: Deployment) {
  const { fitting, refused } = fittingCapacity(recipe, parameters, deployment.capacity, deployment.region)
  const dearestUsdPerHour = Math.max(...fitting.map(({ priceUsdPerHour }) => priceUsdPerHour))
  const budget = runBudget(recipe.limits, dearestUsdPerHour, recipe.resources.nodes)
  const { jobDefinitionArns } = deployment
  return {
    recipe,
    code: { version: deployment.codeVersion, trainerImage: deployment.trainerImage },
    capacity: fitting.map((option) => ({
      ...option,
      machine: wholeMachine(option.instanceType, recipe.resources.gpus),
      trainTimeoutSeconds: Math.ceil(recipe.limits.maxHours * 3600),
      evaluateTimeoutSeconds: Math.min(
        EVALUATE_TIMEOUT_SECONDS,
        Math.floor((budget.evaluationUsd / option.priceUsdPerHour) * 3600),
      ),
    })),
    refusedCapacity: refused,
    reservedUsd: budget.totalUsd,
    trainingBudgetUsd: budget.trainingUsd,
    steps: {
      prepare: {
        jobQueueArn: deployment.cpuJobQueueArn,
        jobDefinitionArn: jobDefinitionArns.prepare,
        vcpus: 2,
        memoryMiB: prepareMemory(parameters),
        gpus: 0,
        timeoutSeconds: PREPARE_TIMEOUT_SECONDS,
      },
      train: { jobDefinitionArn: jobDefinitionArns.train },
      evaluate: { jobDefinitionArn: jobDefinitionArns.evaluate },
    },
  }
}

function wholeMachine(type: InstanceTypeName, gpus: number): PlannedMachine {
  const { vcpus, memoryGiB } = instanceType(type)
  // The ECS agent and the kernel keep some: a job that asks for all of it is never placed.
  return { vcpus, memoryMiB: Math.floor(memoryGiB * 1024 * 0.9), gpus }
}

/** Prepare holds at most one copy of a shard, or all of a small model that it converts. */
function prepareMemory(parameters: number): number {
  return Math.min(28 * 1024, 4096 + Math.ceil((parameters * 4) / 2 ** 20))
}

/** Same data, model and settings: same prepared rows. A change to what Prepare writes needs a new version here. */
const PREPARED_VERSION = 3

function preparedKey(recipe: Recipe, inputs: PinnedInputs): string {
  const { maxTokens, seed } = recipe.training
  const { prompt, promptWithInput, end } = recipe.template
  return contentKey([
    PREPARED_VERSION,
    inputs.dataset.sha256,
    inputs.model.contentKey,
    maxTokens,
    seed,
    recipe.dataset.heldOutFraction,
    recipe.dataset.format,
    prompt,
    promptWithInput,
    end,
  ])
}

/** A short name for what it was made from. */
export function contentKey(parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)
}
