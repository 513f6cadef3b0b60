import { z } from 'zod'
import type { ErrorCode } from '../errors.ts'
import { estimateRequestSchema, estimateSchema } from '../estimate-schema.ts'
import { modelListSchema, modelVersionListSchema, modelVersionSchema } from '../model-view.ts'
import { limitsPatchSchema, slugSchema } from '../recipe.ts'
import { recipeDetailSchema, recipeListSchema, validationSchema } from '../recipe-view.ts'
import { STEPS } from '../run.ts'
import { runStatusChangeSchema } from '../run-events.ts'
import { evaluationSchema, metricsSchema, profileSchema } from '../run-files.ts'
import { logPageSchema } from '../run-logs.ts'
import { runDetailSchema, runListSchema } from '../run-view.ts'
import { teamViewSchema } from '../team-view.ts'
import { AUTOMATION_ROUTES } from './automation-routes.ts'
import { DATA_ROUTES } from './data-routes.ts'
import { pageQuerySchema, runListQuerySchema } from './list-query.ts'
import { get, post } from './route.ts'

/** Checked as a recipe by itself, with a recipe's errors. */
const recipeBody = z.strictObject({ recipe: z.unknown() })
const run = z.object({ runId: z.ulid() })
const named = z.object({ name: slugSchema })

/** Why a recipe cannot be planned. */
const REFUSALS = [
  'RECIPE_INVALID',
  'DATASET_NOT_FOUND',
  'DATASET_INVALID',
  'MODEL_NOT_FOUND',
  'HUB_UNREACHABLE',
  'MODEL_UNREADABLE',
  'PROMPT_TOO_LONG',
  'BENCHMARKS_NOT_FOUND',
  'NO_CAPACITY_FITS',
  'LIMIT_TOO_LOW',
] as const satisfies readonly ErrorCode[]

/** Every route of the API, by its operation's name. */
export const ROUTES = {
  getHealth: get('/v1/health', {
    tag: 'Deployment',
    summary: 'That the API answers, and which version it is',
    answer: z.object({ team: z.string(), version: z.string() }),
  }),
  getOpenApi: get('/v1/openapi.json', {
    tag: 'Deployment',
    summary: 'This document',
    answer: z.looseObject({ openapi: z.string() }),
  }),
  getTeam: get('/v1/team', {
    tag: 'Deployment',
    summary: "The team's capacity options in order, its money this month, and how many runs are open",
    answer: teamViewSchema,
  }),
  createRun: post('/v1/runs', {
    tag: 'Runs',
    summary: 'Start a run',
    body: recipeBody,
    answer: runDetailSchema,
    status: 201,
    errors: [...REFUSALS, 'BUDGET_EXCEEDED', 'TOO_MANY_RUNS', 'RUN_NOT_STARTED'],
  }),
  listRuns: get('/v1/runs', {
    tag: 'Runs',
    summary: 'Runs, newest first, with what their training came to',
    query: runListQuerySchema,
    answer: runListSchema,
  }),
  getRun: get('/v1/runs/{runId}', {
    tag: 'Runs',
    summary: 'One run with its recipe and attempts',
    params: run,
    answer: runDetailSchema,
    errors: ['RUN_NOT_FOUND'],
  }),
  cancelRun: post('/v1/runs/{runId}/cancel', {
    tag: 'Runs',
    summary: 'Cancel a run; a job that trains saves a checkpoint first, or not with `now`',
    params: run,
    body: z.strictObject({ now: z.boolean().default(false) }),
    answer: runDetailSchema,
    errors: ['RUN_NOT_FOUND', 'RUN_ENDED'],
  }),
  resumeRun: post('/v1/runs/{runId}/resume', {
    tag: 'Runs',
    summary: 'Let an ended run go on from its newest checkpoint',
    params: run,
    body: z.strictObject({ limits: limitsPatchSchema.prefault({}), from: z.enum(STEPS).optional() }),
    answer: runDetailSchema,
    errors: [
      ...REFUSALS,
      'RUN_NOT_FOUND',
      'RUN_ENDED',
      'RUN_NOT_ENDED',
      'RUN_STILL_STOPPING',
      'STEP_NOT_REACHED',
      'BUDGET_EXCEEDED',
      'TOO_MANY_RUNS',
      'RUN_NOT_STARTED',
    ],
  }),
  getRunMetrics: get('/v1/runs/{runId}/metrics', {
    tag: 'Runs',
    summary: 'Loss, learning rate, gradient norm and speed as series',
    params: run,
    answer: metricsSchema,
    errors: ['RUN_NOT_FOUND', 'NOT_READY'],
  }),
  getRunProfile: get('/v1/runs/{runId}/profile', {
    tag: 'Runs',
    summary: 'What the GPUs and processors of one of its machines did',
    params: run,
    query: z.object({ node: z.coerce.number().int().min(0).max(63).default(0) }),
    answer: profileSchema,
    errors: ['RUN_NOT_FOUND', 'NOT_READY'],
  }),
  getRunSamples: get('/v1/runs/{runId}/samples', {
    tag: 'Runs',
    summary: "The prompts' answers by the base model and each kept checkpoint",
    params: run,
    answer: evaluationSchema,
    errors: ['RUN_NOT_FOUND', 'NOT_READY'],
  }),
  getRunLogs: get('/v1/runs/{runId}/logs', {
    tag: 'Runs',
    summary: "The lines of the run's containers, from the cursor on",
    params: run,
    query: z.object({ cursor: z.base64url().optional() }),
    answer: logPageSchema,
    errors: ['RUN_NOT_FOUND'],
  }),
  getRunEvents: get('/v1/runs/{runId}/events', {
    tag: 'Runs',
    summary: 'Its timeline, as it was announced on the event bus',
    params: run,
    answer: z.object({ events: z.array(runStatusChangeSchema) }),
    errors: ['RUN_NOT_FOUND'],
  }),
  createEstimate: post('/v1/estimates', {
    tag: 'Recipes',
    summary: "What a recipe would take on each of the team's options; nothing is started",
    body: estimateRequestSchema,
    answer: estimateSchema,
    errors: [
      'RECIPE_INVALID',
      'DATASET_NOT_FOUND',
      'DATASET_INVALID',
      'MODEL_UNREADABLE',
      'NO_CAPACITY_FITS',
      'NO_BASIS',
    ],
  }),
  listRecipes: get('/v1/recipes', {
    tag: 'Recipes',
    summary: 'The recipes that are deployed, and those that were run, each with its newest run',
    answer: recipeListSchema,
  }),
  getRecipe: get('/v1/recipes/{name}', {
    tag: 'Recipes',
    summary: 'A recipe as it is deployed; one that is not, as its newest run has it',
    params: named,
    answer: recipeDetailSchema,
    errors: ['RECIPE_NOT_FOUND'],
  }),
  validateRecipe: post('/v1/recipes/validate', {
    tag: 'Recipes',
    summary: 'What a run would be refused for, or its capacity and price; nothing is started',
    body: recipeBody,
    answer: validationSchema,
  }),
  listModels: get('/v1/models', {
    tag: 'Models',
    summary: 'The registered models, each with its newest version',
    answer: modelListSchema,
  }),
  listModelVersions: get('/v1/models/{name}', {
    tag: 'Models',
    summary: "A model's versions, newest first",
    params: named,
    query: pageQuerySchema,
    answer: modelVersionListSchema,
    errors: ['MODEL_VERSION_NOT_FOUND'],
  }),
  getModelVersion: get('/v1/models/{name}/versions/{version}', {
    tag: 'Models',
    summary: 'One version: its files, lineage and licence',
    params: named.extend({ version: z.coerce.number().int().min(1).max(99_999_999) }),
    answer: modelVersionSchema,
    errors: ['MODEL_VERSION_NOT_FOUND'],
  }),
  ...DATA_ROUTES,
  ...AUTOMATION_ROUTES,
}

export type Routes = typeof ROUTES
/** How an ended run is to go on. */
export type Resumption = z.input<Routes['resumeRun']['body'] & z.ZodType>
