import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluationSeconds, leastEvaluationUsd, runBudget } from '../../core/budget.ts'
import { thrownBy } from '../support/thrown.ts'

describe('what a run may cost', () => {
  it('is its hours on the dearest option, and a tenth of that for the evaluation', () => {
    expect(runBudget({ maxHours: 10 }, 31.212)).toEqual({
      totalUsd: 343.332,
      trainingUsd: 312.12,
      evaluationUsd: 31.212,
    })
  })

  it('is that of all nodes while they train; one of them evaluates', () => {
    expect(runBudget({ maxHours: 10 }, 20, 4)).toEqual({
      totalUsd: 880,
      trainingUsd: 800,
      evaluationUsd: 80,
    })
    expect(runBudget({ maxHours: 0.1 }, 30, 4).evaluationUsd).toBe(5)
  })

  it('is maxUsd where that is less, and a tenth of it is for the evaluation', () => {
    expect(runBudget({ maxHours: 10, maxUsd: 100 }, 31.212)).toEqual({
      totalUsd: 100,
      trainingUsd: 90,
      evaluationUsd: 10,
    })
  })

  it('leaves the evaluation ten minutes at least', () => {
    expect(runBudget({ maxHours: 10, maxUsd: 20 }, 30).evaluationUsd).toBe(5)
    expect(runBudget({ maxHours: 0.1 }, 30).evaluationUsd).toBe(5)
  })

  it('is refused where the evaluation would leave too little to train with', () => {
    const error = thrownBy(() => runBudget({ maxHours: 10, maxUsd: 1 }, 55.04))
    expect(error.code).toBe('LIMIT_TOO_LOW')
    expect(error.message).toContain('limits.maxUsd of $1')
    expect(error.nextStep).toContain('$18.3467')
  })

  it('is never more than any of its limits, and its parts are never more than the whole', () => {
    const hours = fc.double({ min: 0.01, max: 336, noNaN: true })
    const price = fc.double({ min: 0.05, max: 100, noNaN: true })
    const limit = fc.option(fc.double({ min: 0.1, max: 10_000, noNaN: true }), { nil: undefined })
    fc.assert(
      fc.property(hours, price, limit, (maxHours, usdPerHour, maxUsd) => {
        fc.pre(maxUsd === undefined || maxUsd > usdPerHour)
        const { totalUsd, trainingUsd, evaluationUsd } = runBudget(
          { maxHours, ...(maxUsd !== undefined && { maxUsd }) },
          usdPerHour,
        )
        expect(totalUsd).toBeLessThanOrEqual(maxUsd ?? Number.POSITIVE_INFINITY)
        expect(trainingUsd).toBeLessThanOrEqual(maxHours * usdPerHour + 1e-4)
        expect(Math.abs(trainingUsd + evaluationUsd - totalUsd)).toBeLessThan(3e-4)
      }),
    )
  })
})

describe('what is left of a limit', () => {
  it('pays for so much of an evaluation, and for none of less than ten minutes', () => {
    expect(evaluationSeconds(10, 30)).toBe(1200)
    expect(evaluationSeconds(5, 30)).toBe(600)
    expect(evaluationSeconds(4.99, 30)).toBeUndefined()
    expect(leastEvaluationUsd(30)).toBe(5)
  })
})
