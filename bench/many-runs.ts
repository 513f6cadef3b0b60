import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb'
import { monotonicFactory } from 'ulid'
import { parseRecipe } from '../core/recipe.ts'
import type { RunStatus } from '../core/run.ts'
import { Ledger } from '../core/store/ledger.ts'
import { RunStore } from '../core/store/run-store.ts'
import { openTable } from '../core/store/table.ts'

export const RECIPES = ['dolly-small', 'dolly-large'] as const
const CAPACITY = { instanceType: 'p4d.24xlarge', purchase: 'spot', priceUsdPerHour: 9.8 }
const TEMPLATES = RECIPES.flatMap((recipe) =>
  (['succeeded', 'succeeded', 'succeeded', 'succeeded', 'failed'] as const).map((status) => ({
    recipe,
    status,
  })),
)
const OPEN_RUNS = 3
/** Before any run that the bench copies, so that lists begin with the copies. */
const BEGAN = Date.parse('2024-01-01T00:00:00Z')
const newId = monotonicFactory(() => 0.5)

/** Writes one run of each kind into the team's table with the stores that the functions write with. @returns their ids */
export async function writeTemplates(
  client: DynamoDBDocumentClient,
  tableName: string,
  team: string,
): Promise<string[]> {
  const table = openTable(client, tableName)
  const ledger = new Ledger(table)
  const runs = new RunStore(table)
  const open = async (recipeName: string) => {
    const createdAt = new Date(BEGAN).toISOString()
    const runId = newId(BEGAN)
    const recipe = parseRecipe({
      name: recipeName,
      baseModel: { source: 'hf://EleutherAI/gpt-j-6b', licence: 'Apache-2.0' },
      dataset: { source: 's3://bench/data/rows.json', licence: 'CC-BY-4.0' },
    })
    const startedBy = { kind: 'schedule', name: 'nightly', scheduledAt: createdAt } as const
    await ledger.open({ runId, team, recipe, createdAt, startedBy }, { usd: 100, monthlyLimitUsd: undefined })
    return { runId, createdAt }
  }
  for (let run = 0; run < OPEN_RUNS; run++) await open(RECIPES[0])
  const ids: string[] = []
  for (const { recipe, status } of TEMPLATES) {
    const { runId, createdAt: at } = await open(recipe)
    ids.push(runId)
    const flow: RunStatus[] = [
      'planning',
      'preparing',
      'waiting',
      'training',
      'evaluating',
      'registering',
      status,
    ]
    for (const step of flow) {
      const moment = { execution: 0, attempt: step === 'training' ? 10 : 0 }
      await runs.advance(runId, { status: step, at, moment, details: details(step, runId, recipe) })
    }
    const ended = await runs.get(runId)
    if (!ended || !(await ledger.settle(ended.run, 42))) throw new Error(`the run ${runId} was not written`)
  }
  return ids
}

function details(status: RunStatus, runId: string, recipe: string) {
  const folder = `s3://bench/runs/${runId}/`
  if (status === 'planning') {
    return { planUri: `${folder}plan.json`, capacity: CAPACITY, options: [CAPACITY, CAPACITY] }
  }
  if (status === 'failed') {
    const message = 'The process was ended by SIGKILL: the machine was out of memory.'
    const nextStep = 'Use fewer rows at a time, or a machine with more memory.'
    return {
      failure: { class: 'out-of-memory', code: 'OUT_OF_MEMORY', step: 'train', message, nextStep } as const,
    }
  }
  if (status !== 'succeeded') return {}
  return {
    model: { name: recipe, version: 1, uri: `s3://bench/models/${recipe}/${runId}/` },
    metrics: {
      lossFirst: 2.314,
      lossLast: 1.087,
      heldOutLoss: [1, 2, 3].map((epoch) => ({ epoch, loss: 1.5 - epoch / 10 })),
      tokensPerSecond: 31_250.5,
      trainingHours: 1.75,
    },
  }
}

/**
 * Copies the items of these runs, with ids of their own, until the state of a stopped emulator has as many runs as wanted: what
 * BatchWriteItem would take an hour for, with a stream's worth of events.
 * @param folder the emulator's state
 * @returns the id in the midst of them
 */
export function copyRuns(
  folder: string,
  tableName: string,
  templates: readonly string[],
  wanted: number,
): string {
  const services = join(folder, 'services')
  const { dynamodb } = JSON.parse(readFileSync(join(services, 'state.json'), 'utf8'))
  const file = join(services, `dynamodb-${dynamodb}.json`)
  const state = JSON.parse(readFileSync(file, 'utf8'))
  const [table] = Object.entries<{ items: Items; ItemCount: number }>(state.tables.data)
    .filter(([name]) => name.endsWith(`'${tableName}'`))
    .map(([, found]) => found)
  if (!table) throw new Error(`no table ${tableName} in ${file}`)
  const originals = templates.map((runId) => {
    const pk = Object.keys(table.items).find(
      (key) => key.endsWith(runId) || key.endsWith(runId.toLowerCase()),
    )
    const [sk, item] =
      Object.entries(table.items[pk ?? ''] ?? {}).find(([, { __edb_e__ }]) => __edb_e__?.S === 'run') ?? []
    if (!item) throw new Error(`no item of run ${runId}`)
    return { runId, text: `${JSON.stringify(pk)}:${JSON.stringify({ [sk ?? '']: item })}` }
  })
  const copies = wanted - templates.length - OPEN_RUNS
  table.ItemCount += copies
  table.items[MARK] = {}
  const [before = '', after = ''] = JSON.stringify(state).split(`"${MARK}":{}`)
  const output = openSync(file, 'w')
  writeSync(output, before)
  let middle = ''
  for (let copy = 0; copy < copies; copy++) {
    const { runId, text } = originals[copy % originals.length] ?? { runId: '', text: '' }
    const id = newId(BEGAN + (copy + 1) * 60_000)
    if (copy === copies >> 1) middle = id
    // ElectroDB writes an id into a key as it is, or in lower case.
    const own = text.replaceAll(runId, id).replaceAll(runId.toLowerCase(), id.toLowerCase())
    writeSync(output, copy === 0 ? own : `,${own}`)
  }
  writeSync(output, after)
  closeSync(output)
  return middle
}

const MARK = '__copies__'
type Items = Record<string, Record<string, { readonly __edb_e__?: { readonly S: string } }>>
