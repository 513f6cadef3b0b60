import { describe, expect, it } from 'vitest'
import { baseModelFacts } from '../../core/base-model.ts'
import { plannedOptionSchema } from '../../core/capacity.ts'
import { contentKey, makePlan, type PinnedInputs, planSchema } from '../../core/plan.ts'
import { checkPromptLengths } from '../../core/prompt-length.ts'
import type { Recipe } from '../../core/recipe.ts'
import { checkedInRecipe, checkedInTeam, recipes } from '../support/checked-in.ts'
import { capacityOption, deployment, pinned, recipe } from '../support/recipes.ts'
import { thrownBy } from '../support/thrown.ts'

const run = { runId: '01JD0000000000000000000000', createdAt: '2026-11-24T06:00:00.000Z' }

const plan = (made: Recipe = recipe(), inputs: PinnedInputs = pinned, deployed = deployment()) =>
  makePlan(run, made, inputs, deployed)

describe('a plan', () => {
  it('is the same for the same input, and valid by its schema', () => {
    expect(plan()).toEqual(plan())
    expect(planSchema.parse(JSON.parse(JSON.stringify(plan())))).toEqual(plan())
  })

  it('pins the model to its commit and the data to its hash', () => {
    const { baseModel, dataset, code } = plan()
    expect(baseModel).toMatchObject({ source: 'hf://EleutherAI/gpt-j-6b', revision: 'f'.repeat(40) })
    expect(dataset).toMatchObject({
      uri: 's3://team-bucket/data/rows.json',
      sha256: 'a'.repeat(64),
      rows: 100,
    })
    expect(code).toEqual({ version: '0.1.0+abc', trainerImage: 'trainer:1' })
  })

  it('has no revision for a folder, which has none', () => {
    const { revision: _, ...model } = pinned.model
    expect(plan(recipe(), { ...pinned, model }).baseModel).not.toHaveProperty('revision')
  })

  it('keeps all that a run writes under its own prefixes', () => {
    expect(plan()).toMatchObject({
      runUri: `s3://team-bucket/runs/${run.runId}/`,
      modelUri: `s3://team-bucket/models/parrot/${run.runId}/`,
      preparedUri: expect.stringMatching(/^s3:\/\/team-bucket\/prepared\/[0-9a-f]{32}\/$/),
      baseModel: { mirrorUri: 's3://team-bucket/base-models/model-key/' },
    })
  })

  it('prepares on the small queue without a GPU, and trains on the options that fit, in order', () => {
    const capacity = [
      capacityOption('m7i.large'),
      capacityOption('p4d.24xlarge'),
      capacityOption('p5.48xlarge'),
    ]
    const { steps, capacity: fitting, refusedCapacity } = plan(recipe(), pinned, deployment({ capacity }))
    expect(refusedCapacity).toEqual([
      { option: 'capacity.0 (m7i.large on-demand)', reason: 'has 0 GPUs, 8 wanted' },
    ])
    expect(fitting.map(({ instanceType }) => instanceType)).toEqual(['p4d.24xlarge', 'p5.48xlarge'])
    expect(steps.prepare).toMatchObject({ jobQueueArn: deployment().cpuJobQueueArn, gpus: 0, vcpus: 2 })
    expect(fitting[0]).toMatchObject({
      jobQueueArn: capacity[1]?.jobQueueArn,
      machine: { gpus: 8, vcpus: 96 },
    })
    // All of a machine's memory is never free: a job that asks for it is never placed.
    expect(fitting[0]?.machine.memoryMiB).toBeLessThan(1152 * 1024)
  })

  it('of several nodes has their job definition, and what all of them may cost', () => {
    const multiNodeJobDefinitionArn = 'arn:aws:batch:us-east-1:123456789012:job-definition/nodes:1'
    const capacity = [capacityOption('p4d.24xlarge', { maxNodes: 4, multiNodeJobDefinitionArn })]
    const limits = { maxHours: 10 }
    const planned = (nodes: number) =>
      plan(recipe({ resources: { nodes }, limits }), pinned, deployment({ capacity }))
    expect(planned(4).capacity[0]).toMatchObject({
      multiNodeJobDefinitionArn,
      priceUsdPerHour: 21.96,
      machine: { gpus: 8 },
    })
    expect(planned(4).trainingBudgetUsd).toBeCloseTo(4 * planned(1).trainingBudgetUsd, 3)
    expect(planSchema.parse(planned(4))).toEqual(planned(4))
  })

  it('says whose price it took, where the region of the team has none in the table', () => {
    expect(plan().capacity[0]).not.toHaveProperty('priceRegion')
    const elsewhere = plan(recipe(), pinned, deployment({ region: 'mars-north-1' }))
    expect(elsewhere.capacity[0]).toMatchObject({ priceUsdPerHour: 21.96, priceRegion: 'us-east-1' })
    expect(planSchema.parse(elsewhere)).toEqual(elsewhere)
  })

  it("gives training the recipe's hours, in seconds", () => {
    expect(plan(recipe({ limits: { maxHours: 0.5 } })).capacity[0]?.trainTimeoutSeconds).toBe(1800)
    // The shortest limit is one that Batch takes: a minute at least.
    expect(plan(recipe({ limits: { maxHours: 0.02 } })).capacity[0]?.trainTimeoutSeconds).toBe(72)
  })

  it('inherits the strictest licence, and says from where', () => {
    const made = recipe({ dataset: { source: 's3://team-bucket/alpaca.json', licence: 'CC-BY-NC-4.0' } })
    expect(plan(made).licence).toEqual({
      commercialUse: false,
      shareAlike: false,
      because: ['hf://EleutherAI/gpt-j-6b: Apache-2.0', 's3://team-bucket/alpaca.json: CC-BY-NC-4.0'],
    })
  })

  it('is refused where no option fits', () => {
    const deployed = deployment({ capacity: [capacityOption('m7i.large')] })
    expect(thrownBy(() => plan(recipe(), pinned, deployed)).code).toBe('NO_CAPACITY_FITS')
  })
})

describe('prepared rows', () => {
  const preparedUri = (made = recipe(), inputs = pinned, deployed = deployment()) =>
    plan(made, inputs, deployed).preparedUri

  it.each<[string, Recipe, PinnedInputs]>([
    ['the data', recipe(), { ...pinned, dataset: { ...pinned.dataset, sha256: 'b'.repeat(64) } }],
    ['the model', recipe(), { ...pinned, model: { ...pinned.model, contentKey: 'other' } }],
    ['the longest row', recipe({ training: { maxTokens: 512 } }), pinned],
    ['the seed', recipe({ training: { seed: 7 } }), pinned],
    [
      'the held-out share',
      recipe({
        dataset: { source: 's3://team-bucket/data/rows.json', licence: 'CC-BY-4.0', heldOutFraction: 0.1 },
      }),
      pinned,
    ],
  ])('are made anew when %s changes', (_, made, inputs) => {
    expect(preparedUri(made, inputs)).not.toBe(preparedUri())
  })

  it.each<[string, Recipe]>([
    ['the name', recipe({ name: 'other' })],
    ['the number of epochs', recipe({ training: { epochs: 9, keepEpochs: [2] } })],
    ['the learning rate', recipe({ training: { learningRate: 0.1 } })],
    ['the prompts', recipe({ evaluation: { prompts: [{ instruction: 'Hello?' }] } })],
    ['the limits', recipe({ limits: { maxHours: 2 } })],
    [
      'the place of the same data',
      recipe({ dataset: { source: 's3://team-bucket/copy.json', licence: 'MIT' } }),
    ],
  ])('are used again when only %s changes', (_, made) => {
    expect(preparedUri(made)).toBe(preparedUri())
  })

  it('do not depend on where they are used', () => {
    const elsewhere = deployment({ capacity: [capacityOption('p5.48xlarge')], codeVersion: '9.9.9' })
    expect(preparedUri(recipe(), pinned, elsewhere)).toBe(preparedUri())
  })
})

describe('a content key', () => {
  it('tells parts apart that read the same when joined', () => {
    expect(contentKey(['ab', 'c'])).not.toBe(contentKey(['a', 'bc']))
    expect(contentKey(['1'])).not.toBe(contentKey([1]))
    expect(contentKey(['a', 1])).toMatch(/^[0-9a-f]{32}$/)
  })
})

describe('the recipes in the repository', () => {
  const example = checkedInTeam('example').capacity.map((option) => ({
    ...plannedOptionSchema.parse(option),
    jobQueueArn: capacityOption(option.instanceType).jobQueueArn,
  }))

  it.each([...recipes.keys()])('%s has the name of its file and plans for teams/example.yaml', (name) => {
    const made = checkedInRecipe(name)
    expect(made.name).toBe(name)
    const facts = baseModelFacts(made)
    checkPromptLengths(made, facts.contextTokens)
    const inputs = { ...pinned, model: { ...pinned.model, ...facts } }
    const planned = plan(made, inputs, deployment({ capacity: example }))
    expect(planSchema.safeParse(planned).error).toBeUndefined()
    expect(planned.capacity[0]?.machine.gpus).toBe(made.resources.gpus)
  })

  it('dolly-mini plans for the team of `npm start`', () => {
    const made = checkedInRecipe('dolly-mini')
    const capacity = checkedInTeam('demo').capacity.map(({ instanceType }) => capacityOption(instanceType))
    const inputs = { ...pinned, model: { ...pinned.model, ...baseModelFacts(made) } }
    expect(plan(made, inputs, deployment({ capacity })).capacity).toHaveLength(2)
  })

  it('all are here', () => {
    expect([...recipes.keys()]).toEqual(['dolly-mini', 'dolly-v1', 'dolly-v2-12b', 'follow', 'stablelm'])
  })
})
