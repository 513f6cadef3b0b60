import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { instanceType } from '../../core/instance-types.ts'
import { memoryFit } from '../../core/memory.ts'
import { recipe } from '../support/recipes.ts'

const GIB = 2 ** 30

describe('the memory a training needs', () => {
  it('is 16 bytes a weight for full fine-tuning, shared by the GPUs', () => {
    // 8 GiB of weights × 16 bytes on 8 GPUs: 16 GiB each, and 4 to work in.
    const fit = memoryFit(recipe(), 8 * GIB * 1, instanceType('g5.48xlarge'))
    expect(fit).toMatchObject({ fits: true, reason: expect.stringContaining('20.0 GiB per device') })
    expect(memoryFit(recipe(), 10 * GIB, instanceType('g5.48xlarge')).fits).toBe(false)
    expect(memoryFit(recipe({ resources: { gpus: 4 } }), 8 * GIB, instanceType('g5.48xlarge')).fits).toBe(
      false,
    )
  })

  it('is 2 bytes a weight for adapters on GPUs, 4 on CPU', () => {
    const lora = { training: { method: 'lora' } }
    const onGpus = memoryFit(recipe({ ...lora, resources: { gpus: 1 } }), 8 * GIB, instanceType('g5.xlarge'))
    expect(onGpus).toMatchObject({ fits: true, reason: expect.stringContaining('20.0 GiB per device') })
    const onCpu = memoryFit(recipe({ ...lora, resources: { gpus: 0 } }), 1 * GIB, instanceType('m7i.large'))
    expect(onCpu).toMatchObject({ fits: true, reason: expect.stringContaining('5.0 GiB per device') })
  })

  it('is shared by the GPUs of all nodes; on a CPU, each node holds all of it', () => {
    const fitOn = (resources: object, parameters: number, type: 'g5.48xlarge' | 'm7i.large') =>
      memoryFit(recipe({ resources }), parameters, instanceType(type))
    expect(fitOn({ gpus: 8, nodes: 2 }, 16 * GIB, 'g5.48xlarge')).toMatchObject({
      fits: true,
      reason: expect.stringContaining('÷ 16 + working space = 20.0 GiB per device'),
    })
    expect(fitOn({ gpus: 8, nodes: 1 }, 16 * GIB, 'g5.48xlarge').fits).toBe(false)
    expect(fitOn({ gpus: 0, nodes: 4 }, 1 * GIB, 'm7i.large').fits).toBe(false)
  })

  it('never fits a larger model where a smaller one does not', () => {
    const parameters = fc.integer({ min: 1e6, max: 1e11 })
    fc.assert(
      fc.property(parameters, parameters, fc.integer({ min: 1, max: 8 }), (one, other, gpus) => {
        const made = recipe({ resources: { gpus } })
        const fits = (weights: number) => memoryFit(made, weights, instanceType('p4d.24xlarge')).fits
        expect(fits(Math.min(one, other)) || !fits(Math.max(one, other))).toBe(true)
      }),
    )
  })
})
