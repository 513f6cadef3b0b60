import { describe, expect, it } from 'vitest'
import { resolveAutomation } from '../../core/automation.ts'
import { incomingFile } from '../../core/dataset-version.ts'
import { inBucket } from '../../core/deployed-recipe.ts'
import { scheduleInput, schedulerProperties } from '../../core/schedule.ts'
import { parseTeam } from '../../core/team.ts'
import { datasetOccasion, modelOccasion } from '../../core/trigger.ts'
import { minimalRecipe, recipe } from '../support/recipes.ts'
import { thrownBy } from '../support/thrown.ts'

const nightly = { name: 'nightly', expression: 'rate(1 day)', recipe: 'recipes/parrot.yaml' }

/** Recipes are named as their files are. */
const readRecipe = (path: string) => minimalRecipe({ name: path.replace(/^.*\/|\.yaml$/g, '') })

function resolve(fields: Readonly<Record<string, unknown>>, read: (path: string) => unknown = readRecipe) {
  const capacity = [{ instanceType: 'm7i.2xlarge' }]
  return resolveAutomation(parseTeam({ name: 'speech', region: 'us-east-1', capacity, ...fields }), { read })
}

describe("the team file's schedules", () => {
  it('are deployed with their whole recipes, overrides in place', () => {
    const overrides = { training: { learningRate: 1e-4 }, limits: { maxUsd: 40 } }
    const [schedule] = resolve({ schedules: [{ ...nightly, overrides }] }).schedules
    expect(schedule).toMatchObject({
      name: 'nightly',
      source: 'file',
      timeZone: 'UTC',
      overlap: 'skip',
      whenUnchanged: 'skip',
      recipe: { name: 'parrot', training: { learningRate: 1e-4, epochs: 1 }, limits: { maxUsd: 40 } },
    })
  })

  it('name no files of a machine: nobody is there to send them up', () => {
    const local = () => minimalRecipe({ dataset: { source: 'data/rows.json', licence: 'CC0-1.0' } })
    const error = thrownBy(() => resolve({ schedules: [nightly] }, local))
    expect(error).toMatchObject({ code: 'RECIPE_INVALID', issues: [{ path: 'dataset.source' }] })
  })

  it('have overrides that make a recipe', () => {
    const error = thrownBy(() =>
      resolve({ schedules: [{ ...nightly, overrides: { training: { epoch: 3 } } }] }),
    )
    expect(error.code).toBe('RECIPE_INVALID')
  })

  it.each([
    [{ expression: 'rate(0 days)' }, 'schedules.0.expression'],
    [{ timeZone: 'Mars/Base' }, 'schedules.0.timeZone'],
    [{ jitterMinutes: 1441 }, 'schedules.0.jitterMinutes'],
    [{ name: 'with.dot' }, 'schedules.0.name'],
  ])('with %j are refused at %s', (wrong, path) => {
    const error = thrownBy(() => resolve({ schedules: [{ ...nightly, ...wrong }] }))
    expect(error.code).toBe('TEAM_INVALID')
    expect(error.issues.map((issue) => issue.path)).toEqual([path])
  })

  it('have different names', () => {
    const error = thrownBy(() => resolve({ schedules: [nightly, nightly] }))
    expect(error).toMatchObject({ code: 'TEAM_INVALID', issues: [{ path: 'schedules.1' }] })
  })

  it('reach EventBridge Scheduler with a window for the jitter, and the time due as a variable of its own', () => {
    const [schedule] = resolve({ schedules: [{ ...nightly, jitterMinutes: 15, paused: true }] }).schedules
    if (!schedule) throw new Error('no schedule')
    const target = { functionArn: 'F', roleArn: 'R', deadLetterQueueArn: 'Q' }
    expect(schedulerProperties(schedule, target)).toMatchObject({
      FlexibleTimeWindow: { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 15 },
      State: 'DISABLED',
      Target: { DeadLetterConfig: { Arn: 'Q' } },
    })
    expect(JSON.parse(scheduleInput(schedule)).scheduledTime).toBe('<aws.scheduler.scheduled-time>')
  })
})

describe("the team file's triggers", () => {
  const on = (cause: Record<string, unknown>, name = 'parrot') => ({
    ...cause,
    recipe: `recipes/${name}.yaml`,
  })

  it('name a data set, a model or a source, and wait five minutes for more', () => {
    const triggers = [on({ dataset: 'flock' }), on({ model: 'dolly' }), on({ source: 'crm' })]
    expect(
      resolve({ triggers }).triggers.map(({ kind, of, debounceMinutes }) => [kind, of, debounceMinutes]),
    ).toEqual([
      ['dataset', 'flock', 5],
      ['model', 'dolly', 5],
      ['event', 'crm', 5],
    ])
  })

  it('name one of them', () => {
    for (const wrong of [on({}), on({ dataset: 'a', model: 'b' })])
      expect(thrownBy(() => resolve({ triggers: [wrong] })).code).toBe('TEAM_INVALID')
  })

  it('train no model for ever: neither itself nor around', () => {
    const itself = [on({ model: 'parrot' })]
    const around = [on({ model: 'a' }, 'b'), on({ model: 'b' }, 'c'), on({ model: 'c' }, 'a')]
    for (const triggers of [itself, around]) {
      const error = thrownBy(() => resolve({ triggers }))
      expect(error).toMatchObject({ code: 'TEAM_INVALID', issues: [{ path: 'triggers' }] })
    }
    expect(resolve({ triggers: around.slice(0, 2) }).triggers).toHaveLength(2)
  })

  it('put a version in the place of what the recipe names', () => {
    const version = { name: 'flock', version: 7, uri: 's3://b/x' }
    const facts = { sha256: '', rows: 1, format: 'alpaca' as const, bytes: 1, createdAt: '', from: '' }
    const data = datasetOccasion(recipe(), { ...version, ...facts })
    expect(data).toMatchObject({
      subject: '00000007',
      recipe: { dataset: { source: 's3://b/x', licence: 'CC-BY-4.0' } },
    })
    const baseModel = { source: 'hf://EleutherAI/gpt-j-6b', revision: 'main', licence: 'Apache-2.0' }
    const model = modelOccasion(recipe({ baseModel }), version)
    expect(model.recipe.baseModel).toEqual({ source: 's3://b/x', licence: 'Apache-2.0' })
  })
})

it('{bucket} in a recipe stands for the bucket of the team that runs it', () => {
  const baseModel = { source: 's3://{bucket}/base/', licence: 'Apache-2.0' }
  expect(inBucket(recipe({ baseModel }), 'ours')).toMatchObject({
    baseModel: { source: 's3://ours/base/' },
    dataset: { source: 's3://team-bucket/data/rows.json' },
  })
})

it.each([
  ['incoming/flock/rows.json', { dataset: 'flock', file: 'rows.json' }],
  ['incoming/flock/2026/11/rows.json', { dataset: 'flock', file: 'rows.json' }],
  ['incoming/rows.json', undefined],
  ['incoming/flock/', undefined],
  ['incoming/The Flock/rows.json', undefined],
  ['uploads/flock/rows.json', undefined],
])('%s arrives as %j', (key, file) => {
  expect(incomingFile(key)).toEqual(file)
})
