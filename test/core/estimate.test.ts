import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { baseModelFacts, modelParameters } from '../../core/base-model.ts'
import { type DataSize, knownSize, resolvedSize } from '../../core/data-size.ts'
import { type EstimateInputs, makeEstimate, withEpochs } from '../../core/estimate.ts'
import { type EstimatedOption, estimateSchema } from '../../core/estimate-schema.ts'
import { INSTANCE_TYPE_NAMES } from '../../core/instance-types.ts'
import type { Recipe } from '../../core/recipe.ts'
import { throughputShape } from '../../core/throughput.ts'
import { checkedInRecipe, checkedInTeam, recipes } from '../support/checked-in.ts'
import { capacityOption, recipe } from '../support/recipes.ts'
import { thrownBy } from '../support/thrown.ts'

const dolly = withEpochs(checkedInRecipe('dolly-v1'), 1)

function estimate(made: Recipe = dolly, overrides: Partial<EstimateInputs> = {}) {
  return makeEstimate({
    recipe: made,
    parameters: modelParameters(made),
    data: resolvedSize(made, {}, knownSize(made) ?? { rows: 240, tokensPerRow: 73.5, because: 'Counted.' }),
    region: 'us-east-1',
    ...overrides,
  })
}

const on = (type: string, { options }: ReturnType<typeof estimate>): EstimatedOption => {
  const option = options.find(({ instanceType }) => instanceType === type)
  if (!option) throw new Error(`${type} is not in the estimate`)
  return option
}

describe('the known case: one epoch of Dolly v1', () => {
  const p3dn = on('p3dn.24xlarge', estimate())
  const p4d = on('p4d.24xlarge', estimate())

  it('takes 3.25 h × $31.212 = $101.44 on p3dn.24xlarge as published', () => {
    expect(p3dn.price).toMatchObject({ usdPerHour: 31.212, region: 'us-east-1', checkedOn: '2026-11-24' })
    expect(p3dn.published).toMatchObject({ hours: 3.25, usd: 101.44 })
    expect(p3dn.published?.because).toContain('3 h 15 min')
  })

  it('takes this trainer 51 min and $26.69, between $18.11 and $31.70, as docs/performance.md reckons', () => {
    expect(p3dn.train.hours.expected * 60).toBeCloseTo(51.3, 1)
    expect(p3dn.train.usd).toEqual({ low: 18.11, expected: 26.69, high: 31.7 })
    expect(p3dn.speed.basis).toBe('model')
    expect(p3dn.train.because).toMatch(/Model: 3\.8 times the published.*3\.2 to 5\.6 times/)
  })

  it('is on p4d.24xlarge faster by the ratio of the peaks, 312 to 125', () => {
    expect(p4d.published).toMatchObject({ hours: 1.3021, usd: 28.59 })
    expect(p4d.train.usd).toEqual({ low: 5.11, expected: 7.52, high: 8.94 })
  })

  it('names its data, and the split of the published recipe', () => {
    expect(estimate().data).toMatchObject({
      trainRows: 51_002,
      heldOutRows: 1_000,
      tokensPerRow: 131,
      tokensPerEpoch: 6_681_262,
      because: expect.stringContaining('2026-11-24'),
    })
  })

  it('counts Evaluate: two models, an answer of 256 tokens and 1,000 held-out rows each', () => {
    // 30 s to start, 2 × 12.1 GB at 200 MB/s, 2 × 256 × 40 ms, and 2 × 131,000 tokens forward on one of 8 GPUs.
    const seconds = 30 + 2 * 60.5 + 2 * 10.24 + (2 * 131_000 * 8) / 3 / p3dn.speed.tokensPerSecond.expected
    expect(p3dn.evaluate.hours.expected).toBeCloseTo(seconds / 3600, 3)
    expect(p3dn.total.hours.expected).toBeCloseTo(p3dn.train.hours.expected + p3dn.evaluate.hours.expected, 3)
  })
})

describe('an estimate', () => {
  it.each([...recipes.keys()])(
    'can be made of recipes/%s.yaml with nothing else, and is as its schema says',
    (name) => {
      const made = checkedInRecipe(name)
      expect(baseModelFacts(made).parameters).toBe(modelParameters(made))
      const result = estimate(made)
      expect(estimateSchema.parse(JSON.parse(JSON.stringify(result)))).toEqual(result)
      expect(result.options.length + result.refused.length).toBe(INSTANCE_TYPE_NAMES.length)
    },
  )

  it('without a team has every type on demand, the cheapest first, and says why the others do not fit', () => {
    const { options, refused, team } = estimate()
    expect(team).toBeNull()
    const dollars = options.map(({ total }) => total.usd.expected)
    expect(dollars).toEqual(dollars.toSorted((a, b) => a - b))
    expect(options.filter(({ isCheapest }) => isCheapest)).toEqual([options[0]])
    expect(refused).toContainEqual({ option: 'g5.xlarge on-demand', reason: 'has 1 GPUs, 8 wanted' })
  })

  it('of a team has its options in its order, the fastest and the cheapest marked', () => {
    const { capacity } = checkedInTeam('example')
    const { options, refused, team } = estimate(dolly, { team: { name: 'example', capacity } })
    expect(team).toBe('example')
    expect(options.map(({ instanceType, purchase }) => `${instanceType} ${purchase}`)).toEqual([
      'p4d.24xlarge spot',
      'p4d.24xlarge on-demand',
      'p3dn.24xlarge on-demand',
    ])
    expect(options.map(({ isFastest }) => isFastest)).toEqual([true, false, false])
    expect(refused.map(({ option }) => option)).toEqual([
      'capacity.3 (g5.12xlarge on-demand)',
      'capacity.4 (m7i.2xlarge on-demand)',
    ])
  })

  it('on several nodes pays for all of them while they train, for one while it evaluates, and says what it assumes', () => {
    const resources = (nodes: number) => ({ ...dolly, resources: { ...dolly.resources, nodes } })
    const [one, four] = [1, 4].map((nodes) => on('p4d.24xlarge', estimate(resources(nodes))))
    expect(estimate(resources(4)).nodes).toBe(4)
    expect((four?.train.hours.expected ?? 0) * 4 * 0.5).toBeCloseTo(one?.train.hours.expected ?? 0, 3)
    expect((four?.train.usd.expected ?? 0) * 0.5).toBeCloseTo(one?.train.usd.expected ?? 0, 1)
    expect(four?.train.because).toMatch(/Each of 4 nodes is taken to keep 50 % of that, 20 % to 90 %/)
    expect(four?.evaluate.usd.expected).toBeGreaterThan(0)
    expect(four?.total.usd.expected).toBeCloseTo(
      (four?.train.usd.expected ?? 0) + (four?.evaluate.usd.expected ?? 0),
      1,
    )
    // Dolly was published for one machine.
    expect(four?.published).toBeNull()
  })

  it('is refused where nothing fits, with the reasons', () => {
    const team = { name: 'small', capacity: [capacityOption('m7i.large')] }
    expect(thrownBy(() => estimate(dolly, { team })).code).toBe('NO_CAPACITY_FITS')
  })

  it('of adapters compares with no published run, and says that the gain was not measured for them', () => {
    const option = on('g5.12xlarge', estimate(checkedInRecipe('stablelm')))
    expect(option.published).toBeNull()
    expect(option.train.because).toContain('not for lora')
    // Forward, and backward without the weights' own gradients: 4 FLOPs where full training has 6.
    const rate = (method: string) =>
      on('p4d.24xlarge', estimate(recipe({ training: { method } }))).speed.tokensPerSecond.expected
    expect(rate('lora') / rate('full')).toBeCloseTo(6 / 4, 3)
    expect(rate('lora') / rate('qlora')).toBeCloseTo(1.39, 3)
  })

  it('on a CPU is that of the demonstration: 235 tokens a second of SmolLM2 on two cores', () => {
    const option = on('m7i.large', estimate(checkedInRecipe('dolly-mini')))
    expect(option.speed.tokensPerSecond.expected).toBeCloseTo(234, 0)
    expect(option.published).toBeNull()
    expect(option.train.because).toContain('GFLOP/s a vCPU')
  })

  it('in 32 bits reckons with the peak without tensor cores', () => {
    const half = on('p4d.24xlarge', estimate(recipe()))
    const single = on('p4d.24xlarge', estimate(recipe({ training: { precision: 'fp32' } })))
    expect(single.train.hours.expected / half.train.hours.expected).toBeCloseTo(312 / 19.5, 0)
  })

  it('says where the run would be stopped by its limits before its end', () => {
    const limited = { ...dolly, limits: { maxHours: 0.5, maxUsd: 20 } }
    const { notes } = estimate(limited)
    expect(notes).toContain('The run is expected to pass limits.maxHours (0.5) on p3dn.24xlarge on-demand.')
    expect(notes).toContain('The run is expected to pass limits.maxUsd ($20) on p3dn.24xlarge on-demand.')
    expect(estimate().notes.join()).not.toContain('limits.')
  })

  it('says that benchmarks are not in it', () => {
    const made = recipe({ evaluation: { benchmarks: { tasks: ['hellaswag'] } } })
    expect(estimate(made).notes.join()).toContain('lm-eval')
    expect(estimate().notes.join()).not.toContain('lm-eval')
  })
})

describe('measured throughput', () => {
  const runs = [3000, 1000, 2000].map((tokensPerSecond, index) => ({
    runId: `run-${index}`,
    tokensPerSecond,
  }))
  const measured = (type: string) => (type === 'p3dn.24xlarge' ? runs : [])

  it('goes before the model, as the median of the runs, between the slowest and the fastest', () => {
    const result = estimate(dolly, { measured })
    const p3dn = on('p3dn.24xlarge', result)
    expect(p3dn.speed).toEqual({
      basis: 'measured',
      tokensPerSecond: { low: 1000, expected: 2000, high: 3000 },
    })
    expect(p3dn.train.hours.expected).toBeCloseTo(6_681_262 / 2000 / 3600, 3)
    expect(p3dn.train.because).toBe(
      'Measured: the last 3 runs of the same model size, method, row length, machine and precision.',
    )
    expect(on('p4d.24xlarge', result).speed.basis).toBe('model')
    expect(p3dn.published).toMatchObject({ hours: 3.25 })
  })

  it('of one run names it, and of an even number takes the middle', () => {
    const of = (count: number) =>
      on('p3dn.24xlarge', estimate(dolly, { measured: () => runs.slice(0, count) }))
    expect(of(1).train.because).toContain('run run-0 of the same')
    expect(of(1).speed.tokensPerSecond).toEqual({ low: 3000, expected: 3000, high: 3000 })
    expect(of(2).speed.tokensPerSecond.expected).toBe(2000)
  })

  it('is shared by runs with the same shape alone', () => {
    const shape = (made: Recipe, parameters = 1000) => throughputShape(made, parameters, 'p4d.24xlarge')
    expect(shape(recipe({ name: 'other', training: { epochs: 9 } }))).toBe(shape(recipe()))
    expect(shape(recipe({ training: { precision: 'bf16' } }))).toBe(shape(recipe()))
    const others = [
      shape(recipe({ training: { method: 'lora' } })),
      shape(recipe({ training: { maxTokens: 512 } })),
      shape(recipe({ training: { precision: 'fp16' } })),
      shape(recipe({ resources: { gpus: 4 } })),
      shape(recipe(), 2000),
      throughputShape(recipe(), 1000, 'p3dn.24xlarge'),
    ]
    expect(new Set([shape(recipe()), ...others]).size).toBe(1 + others.length)
  })
})

describe('whatever the recipe, an estimate', () => {
  const anyInputs = fc.record({
    rows: fc.integer({ min: 1, max: 1e7 }),
    tokensPerRow: fc.double({ min: 0.5, max: 4096, noNaN: true }),
    epochs: fc.integer({ min: 1, max: 100 }),
    method: fc.constantFrom('full', 'lora', 'qlora'),
    heldOutFraction: fc.double({ min: 0, max: 0.5, noNaN: true }),
    gpus: fc.constantFrom(0, 1, 8),
    parameters: fc.integer({ min: 1e6, max: 4e8 }),
    purchase: fc.constantFrom('spot' as const, 'on-demand' as const),
  })
  type Inputs = typeof anyInputs extends fc.Arbitrary<infer T> ? T : never

  function made({ rows, tokensPerRow, epochs, method, heldOutFraction, gpus, parameters, purchase }: Inputs) {
    const of = recipe({
      dataset: { source: 's3://team-bucket/rows.json', licence: 'MIT', heldOutFraction },
      training: { method, epochs },
      resources: { gpus },
    })
    const data: DataSize = resolvedSize(of, { rows, tokensPerRow }, undefined)
    const capacity = INSTANCE_TYPE_NAMES.map((type) => capacityOption(type, { purchase }))
    return makeEstimate({
      recipe: of,
      parameters,
      data,
      region: 'eu-west-1',
      team: { name: 'any', capacity },
    })
  }

  const figures = ({ options }: ReturnType<typeof made>) =>
    options.flatMap(({ train, evaluate, total }) =>
      [train, evaluate, total].flatMap(({ hours, usd }) => [hours, usd]),
    )

  it('has numbers only, each range in order', () => {
    fc.assert(
      fc.property(anyInputs, (inputs) => {
        for (const { low, expected, high } of figures(made(inputs))) {
          for (const value of [low, expected, high]) expect(Number.isFinite(value)).toBe(true)
          expect(low).toBeGreaterThanOrEqual(0)
          expect(low).toBeLessThanOrEqual(expected)
          expect(expected).toBeLessThanOrEqual(high)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('never falls with more rows, longer rows or more epochs', () => {
    fc.assert(
      fc.property(anyInputs, fc.constantFrom('rows', 'tokensPerRow', 'epochs'), (inputs, what) => {
        const more = { ...inputs, [what]: Math.min(inputs[what] * 2, what === 'epochs' ? 100 : Infinity) }
        const [less, grown] = [figures(made(inputs)), figures(made(more))]
        for (const [index, { low, expected, high }] of less.entries()) {
          expect(grown[index]?.low).toBeGreaterThanOrEqual(low)
          expect(grown[index]?.expected).toBeGreaterThanOrEqual(expected)
          expect(grown[index]?.high).toBeGreaterThanOrEqual(high)
        }
      }),
      { numRuns: 60 },
    )
  })
})

describe('the number of epochs asked for', () => {
  it("replaces the recipe's, and leaves of the epochs to keep those that are reached", () => {
    expect(dolly.training).toMatchObject({ epochs: 1, keepEpochs: [1] })
    expect(withEpochs(checkedInRecipe('dolly-v1'), 7).training).toMatchObject({
      epochs: 7,
      keepEpochs: [1, 5],
    })
    expect(withEpochs(recipe(), 3).training.keepEpochs).toBeUndefined()
    expect(withEpochs(dolly, undefined)).toBe(dolly)
  })
})
