import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keptEpochs, parseRecipe, recipeSchema } from '../../core/recipe.ts'
import { minimalRecipe, recipe } from '../support/recipes.ts'
import { pathsOf, thrownBy } from '../support/thrown.ts'

describe('a recipe', () => {
  it("has Dolly's published values where it says nothing", () => {
    const { training, resources, evaluation, limits, dataset } = recipe()
    expect(training).toEqual({
      method: 'full',
      lora: { rank: 8, alpha: 16, dropout: 0 },
      epochs: 1,
      learningRate: 1e-5,
      warmupSteps: 0,
      schedule: 'constant',
      weightDecay: 0,
      batchSizePerGpu: 8,
      gradientAccumulationSteps: 1,
      maxTokens: 1024,
      precision: 'auto',
      sharding: 'auto',
      gradientCheckpointing: 'auto',
      seed: 42,
    })
    expect(resources).toEqual({ gpus: 8, nodes: 1 })
    expect(evaluation).toEqual({
      prompts: [],
      maxNewTokens: 256,
      temperature: 1,
      topP: 0.92,
      topK: 0,
      seed: 42,
    })
    expect(limits.maxHours).toBe(24)
    expect(dataset.heldOutFraction).toBe(0.02)
    expect(dataset.format).toBe('auto')
  })

  it('names an unknown field, at the top and inside', () => {
    const error = thrownBy(() =>
      parseRecipe(minimalRecipe({ epochs: 3, training: { epoch: 3, lora: { r: 8 } } })),
    )
    expect(pathsOf(error, 'RECIPE_INVALID').sort()).toEqual(['epochs', 'training.epoch', 'training.lora.r'])
    expect(error.issues.map(({ message }) => message)).toEqual(Array(3).fill('unknown field'))
  })

  it.each([
    ['training.epochs', { training: { epochs: -1 } }, '-1'],
    ['training.learningRate', { training: { learningRate: -0.001 } }, '-0.001'],
    ['training.batchSizePerGpu', { training: { batchSizePerGpu: 0 } }, '0'],
    ['training.weightDecay', { training: { weightDecay: -0.1 } }, '-0.1'],
    ['training.maxTokens', { training: { maxTokens: 8 } }, '8'],
    ['training.epochs', { training: { epochs: 1.5 } }, '1.5'],
    ['resources.gpus', { resources: { gpus: -8 } }, '-8'],
    ['resources.maxPriceUsdPerHour', { resources: { maxPriceUsdPerHour: -1 } }, '-1'],
    ['evaluation.topP', { evaluation: { topP: 0 } }, '0'],
    ['limits.maxHours', { limits: { maxHours: -2 } }, '-2'],
    ['limits.maxHours', { limits: { maxHours: 0.01 } }, '0.01'],
    ['dataset.heldOutFraction', { dataset: { source: 'a', licence: 'MIT', heldOutFraction: 0.9 } }, '0.9'],
    ['name', { name: 'My Model' }, '"My Model"'],
    ['baseModel.licence', { baseModel: { source: 'a', licence: 'do what you like' } }, '"do what you like"'],
  ])('refuses %s of a value it cannot have, and says the value', (path, overrides, value) => {
    const error = thrownBy(() => parseRecipe(minimalRecipe(overrides)))
    expect(pathsOf(error, 'RECIPE_INVALID')).toEqual([path])
    expect(error.issues[0]?.message).toContain(`is ${value}: `)
  })

  it('names every wrong field at once', () => {
    const error = thrownBy(() => parseRecipe({ training: { epochs: 0 } }))
    expect(pathsOf(error, 'RECIPE_INVALID').sort()).toEqual([
      'baseModel',
      'dataset',
      'name',
      'training.epochs',
    ])
  })

  it.each([[undefined], [null], ['a text'], [[]], [7]])('is refused when it is no object: %j', (input) => {
    expect(
      pathsOf(
        thrownBy(() => parseRecipe(input)),
        'RECIPE_INVALID',
      ),
    ).toEqual(['(the whole)'])
  })

  it('refuses to keep an epoch that is never trained, and names which', () => {
    const error = thrownBy(() =>
      parseRecipe(minimalRecipe({ training: { epochs: 3, keepEpochs: [1, 4, 9] } })),
    )
    expect(pathsOf(error, 'RECIPE_INVALID')).toEqual(['training.keepEpochs.1', 'training.keepEpochs.2'])
    expect(error.issues[0]?.message).toBe('is 4: there are only 3 epochs')
  })

  it('parses what parsing gave to the same again', () => {
    const once = recipe({ training: { method: 'lora', epochs: 4, keepEpochs: [2] } })
    expect(parseRecipe(JSON.parse(JSON.stringify(once)))).toEqual(once)
  })

  it('is either parsed or refused with a RoslinError, whatever it is', () => {
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          name: fc.oneof(fc.string(), fc.constant('parrot')),
          baseModel: fc.jsonValue(),
          dataset: fc.jsonValue(),
          training: fc.dictionary(
            fc.constantFrom('epochs', 'keepEpochs', 'lora', 'seed', 'x'),
            fc.jsonValue(),
          ),
        },
        { requiredKeys: [] },
      ),
    )
    fc.assert(
      fc.property(anything, (input) => {
        if (recipeSchema.safeParse(input).success) return
        const error = thrownBy(() => parseRecipe(input))
        expect(error.code).toBe('RECIPE_INVALID')
        expect(error.issues.length).toBeGreaterThan(0)
      }),
      { numRuns: 300 },
    )
  })
})

describe('the kept epochs', () => {
  it.each([
    [undefined, [5]],
    [[], [5]],
    [
      [1, 3],
      [1, 3, 5],
    ],
    [
      [5, 1, 1],
      [1, 5],
    ],
  ])('of keepEpochs %j out of 5 are %j: sorted, once each, always with the last', (keepEpochs, kept) => {
    expect(keptEpochs(recipe({ training: { epochs: 5, ...(keepEpochs && { keepEpochs }) } }))).toEqual(kept)
  })
})
