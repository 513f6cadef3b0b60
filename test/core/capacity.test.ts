import { describe, expect, it } from 'vitest'
import { type DeployedCapacity, fittingCapacity } from '../../core/capacity.ts'
import { INSTANCE_TYPES, type InstanceTypeName } from '../../core/instance-types.ts'
import type { Recipe } from '../../core/recipe.ts'
import { checkedInRecipe } from '../support/checked-in.ts'
import { capacityOption, recipe } from '../support/recipes.ts'
import { thrownBy } from '../support/thrown.ts'

const GPT_J = 6_050_882_784
const PYTHIA_12B = 11_846_072_320
const SMOLLM2 = 134_515_008

const everyType = (Object.keys(INSTANCE_TYPES) as InstanceTypeName[]).map((name) => capacityOption(name))

const fitting = (made: Recipe, parameters: number, options: readonly DeployedCapacity[] = everyType) =>
  fittingCapacity(made, parameters, options, 'us-east-1').fitting.map(({ instanceType }) => instanceType)

function refusals(made: Recipe, parameters: number, ...types: InstanceTypeName[]): string[] {
  const options = types.map((name) => capacityOption(name))
  const error = thrownBy(() => fittingCapacity(made, parameters, options, 'us-east-1'))
  expect(error.code).toBe('NO_CAPACITY_FITS')
  return error.issues.map(({ message }) => message)
}

describe('the capacity that fits', () => {
  it('GPT-J-6B in full on 8 GPUs of 32 GiB: the V100s of p3dn and all that is larger', () => {
    const dolly = checkedInRecipe('dolly-v1')
    expect(fitting(dolly, GPT_J)).toEqual(['p3dn.24xlarge', 'p4d.24xlarge', 'p4de.24xlarge', 'p5.48xlarge'])
    expect(refusals(dolly, GPT_J, 'm7i.2xlarge', 'g5.12xlarge', 'g5.48xlarge')).toEqual([
      'has 0 GPUs, 8 wanted',
      'has 4 GPUs, 8 wanted',
      'has 24 GiB a GPU, 32 wanted',
    ])
  })

  it('of several nodes: on demand, where the team file allows so many', () => {
    const made = recipe({ resources: { nodes: 4 } })
    const options = [
      capacityOption('p4d.24xlarge', { maxNodes: 8, purchase: 'spot' }),
      capacityOption('p4d.24xlarge', { maxNodes: 2 }),
      capacityOption('p5.48xlarge', { maxNodes: 4 }),
    ]
    const { fitting: fit, refused } = fittingCapacity(made, GPT_J, options, 'us-east-1')
    expect(fit.map(({ instanceType }) => instanceType)).toEqual(['p5.48xlarge'])
    expect(refused.map(({ reason }) => reason)).toEqual([
      'Batch has no Spot for several nodes',
      'has at most 2 nodes (maxNodes), 4 wanted',
    ])
  })

  it('GPT-J-6B on the generations of GPUs that its recipe names', () => {
    const made = recipe({ resources: { gpus: 8, minGpuMemoryGiB: 32, architectures: ['ampere', 'hopper'] } })
    expect(fitting(made, GPT_J)).toEqual(['p4d.24xlarge', 'p4de.24xlarge', 'p5.48xlarge'])
    expect(refusals(made, GPT_J, 'p3dn.24xlarge')).toEqual(['has V100 (volta), ampere or hopper wanted'])
  })

  it('GPT-J-6B in bf16: no V100, which has none', () => {
    const made = recipe({ training: { precision: 'bf16' } })
    expect(refusals(made, GPT_J, 'p3dn.24xlarge')).toEqual(['V100 has no bf16'])
    expect(fitting(made, GPT_J)).toContain('p4d.24xlarge')
  })

  it('on a CPU in fp32 or bf16: none trains in fp16', () => {
    const made = (precision: string) => recipe({ training: { precision }, resources: { gpus: 0 } })
    expect(refusals(made('fp16'), SMOLLM2, 'm7i.2xlarge')).toEqual(['CPUs do not train in fp16'])
    expect(fitting(made('bf16'), SMOLLM2)).toContain('m7i.2xlarge')
  })

  it('Pythia-12B in full: 26 GiB of state a GPU, so not on 24', () => {
    const made = recipe()
    expect(fitting(made, PYTHIA_12B)).toEqual([
      'p3dn.24xlarge',
      'p4d.24xlarge',
      'p4de.24xlarge',
      'p5.48xlarge',
    ])
    expect(refusals(made, PYTHIA_12B, 'g5.48xlarge')).toEqual([
      '11.85 B weights × 16 B ÷ 8 + working space = 26.1 GiB per device, 22.1 GiB usable',
    ])
    expect(fitting(checkedInRecipe('dolly-v2-12b'), PYTHIA_12B)).not.toContain('p3dn.24xlarge')
  })

  it('SmolLM2 on CPU: any machine without GPUs, and none with', () => {
    const mini = checkedInRecipe('dolly-mini')
    expect(fitting(mini, SMOLLM2)).toEqual(['m7i.large', 'm7i.2xlarge', 'm7i.8xlarge'])
    expect(refusals(mini, SMOLLM2, 'g5.xlarge')).toEqual(['has GPUs, the recipe trains on CPU'])
  })

  it('a dear machine only where the recipe allows its price', () => {
    const made = recipe({ resources: { maxPriceUsdPerHour: 25 } })
    expect(fitting(made, GPT_J)).toContain('p4d.24xlarge')
    expect(refusals(made, GPT_J, 'p3dn.24xlarge')).toEqual(['costs $31.212 an hour, at most $25 wanted'])
  })

  it("comes in the team's order, priced, with the date of the price where it was looked up", () => {
    const options = [capacityOption('p5.48xlarge'), capacityOption('p4d.24xlarge', { purchase: 'spot' })]
    const [p5, p4d] = fittingCapacity(recipe(), GPT_J, options, 'us-east-1').fitting
    expect(p5).toMatchObject({ instanceType: 'p5.48xlarge', priceUsdPerHour: 55.04 })
    expect(p5).not.toHaveProperty('priceCheckedOn')
    expect(p4d).toMatchObject({
      instanceType: 'p4d.24xlarge',
      purchase: 'spot',
      priceUsdPerHour: 21.96,
      priceCheckedOn: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
      reason: expect.stringContaining('GiB usable'),
    })
  })

  it("has another region's price only where its own is not known, and says whose it is", () => {
    const options = [capacityOption('p4d.24xlarge')]
    const priced = (region: string) => fittingCapacity(recipe(), GPT_J, options, region).fitting[0]
    expect(priced('us-east-1')).not.toHaveProperty('priceRegion')
    expect(priced('mars-north-1')).toMatchObject({ priceUsdPerHour: 21.96, priceRegion: 'us-east-1' })
  })

  it('leaves out the others, and says of each why', () => {
    const options = [capacityOption('m7i.large'), capacityOption('p4d.24xlarge')]
    const { fitting: fits, refused } = fittingCapacity(recipe(), GPT_J, options, 'us-east-1')
    expect(fits).toHaveLength(1)
    expect(refused).toEqual([{ option: 'capacity.0 (m7i.large on-demand)', reason: 'has 0 GPUs, 8 wanted' }])
  })

  it('is nothing: the error says of each option why', () => {
    const error = thrownBy(() =>
      fittingCapacity(
        recipe(),
        GPT_J,
        [capacityOption('m7i.large'), capacityOption('g5.xlarge', { purchase: 'spot' })],
        'us-east-1',
      ),
    )
    expect(error.message).toBe('None of the 2 capacity options can train parrot.')
    expect(error.issues).toEqual([
      { path: 'capacity.0 (m7i.large on-demand)', message: 'has 0 GPUs, 8 wanted' },
      { path: 'capacity.1 (g5.xlarge spot)', message: 'has 1 GPUs, 8 wanted' },
    ])
  })
})
