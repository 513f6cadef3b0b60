import { z } from 'zod'
import { PURCHASES } from './purchase.ts'

/** `POST /v1/estimates`. What is left out is the recipe's own, or is found. */
export const estimateRequestSchema = z.strictObject({
  /** Checked as a recipe by itself, with a recipe's errors. */
  recipe: z.unknown(),
  epochs: z.int().min(1).max(100).optional(),
  rows: z.int().positive().max(1e9).optional().describe('Rows of the data file, those held out too'),
  tokensPerRow: z.number().positive().max(131072).optional().describe('Mean, prompt and response together'),
})
export type EstimateRequest = z.output<typeof estimateRequestSchema>

const range = z.object({ low: z.number(), expected: z.number(), high: z.number() })
const step = z.object({ hours: range, usd: range, because: z.string() })

const option = z.object({
  instanceType: z.string(),
  purchase: z.enum(PURCHASES),
  price: z.object({
    /** What `usd.expected` is reckoned with. */
    usdPerHour: z.number(),
    listUsdPerHour: z.number(),
    region: z.string(),
    checkedOn: z.string().nullable(),
    because: z.string(),
  }),
  speed: z.object({ basis: z.enum(['measured', 'model']), tokensPerSecond: range }),
  train: step,
  evaluate: step,
  total: z.object({ hours: range, usd: range }),
  /** Training alone by the published recipe, for comparison; null where it says nothing about such a training. */
  published: z.object({ hours: z.number(), usd: z.number(), because: z.string() }).nullable(),
  isFastest: z.boolean(),
  isCheapest: z.boolean(),
})

/** What `roslin estimate --json` prints and the API answers. Hours to 4 digits after the point; dollars to the cent, below one to 4 digits. */
export const estimateSchema = z.object({
  recipe: z.string(),
  /** Null where no team's options were asked for. */
  team: z.string().nullable(),
  region: z.string(),
  epochs: z.int(),
  nodes: z.int().describe('Instances that train together; the price an hour is of one'),
  model: z.object({ source: z.string(), parameters: z.int() }),
  data: z.object({
    source: z.string(),
    trainRows: z.number(),
    heldOutRows: z.number(),
    tokensPerRow: z.number(),
    tokensPerEpoch: z.number(),
    because: z.string(),
  }),
  prepare: z.object({ usd: z.number(), because: z.string() }),
  /** A team's in its order, so that the first is the one a run begins with; else the cheapest first. */
  options: z.array(option),
  refused: z.array(z.object({ option: z.string(), reason: z.string() })),
  notes: z.array(z.string()),
})
export type Estimate = z.output<typeof estimateSchema>
export type EstimatedOption = Estimate['options'][number]
export type EstimatedStep = z.output<typeof step>
