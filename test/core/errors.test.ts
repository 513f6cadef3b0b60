import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ERROR_STATUS, type ErrorCode, RoslinError } from '../../core/errors.ts'

const error = new RoslinError('DATASET_INVALID', 'It is empty.', 'Fill it.', [
  { path: 'line 1', message: 'is empty' },
])
const codes = Object.keys(ERROR_STATUS) as ErrorCode[]

describe('an error', () => {
  it('is a problem body of RFC 9457, with its own code, next step and issues', () => {
    expect(error.toProblem()).toEqual({
      type: 'docs/troubleshooting.md#dataset_invalid',
      title: 'Dataset invalid',
      status: 400,
      code: 'DATASET_INVALID',
      detail: 'It is empty.',
      nextStep: 'Fill it.',
      issues: [{ path: 'line 1', message: 'is empty' }],
    })
  })

  it('comes back from its body as it was, whatever it says', () => {
    const issues = fc.array(fc.record({ path: fc.string(), message: fc.string() }))
    fc.assert(
      fc.property(fc.constantFrom(...codes), fc.string(), fc.string(), issues, (code, detail, next, all) => {
        const made = new RoslinError(code, detail, next, all)
        const parsed = RoslinError.parse(JSON.stringify(made.toProblem()))
        expect(parsed).toBeInstanceOf(RoslinError)
        expect(parsed?.toProblem()).toEqual(made.toProblem())
      }),
    )
  })

  it.each(['', 'Bad Gateway', '{"message": "Forbidden"}', 'null', '[]', '7', '{"code": "INTERNAL"}'])(
    'is not made from another body: %s',
    (text) => {
      expect(RoslinError.parse(text)).toBeUndefined()
    },
  )

  it('keeps the words of a newer API, whose code this version does not know', () => {
    const { issues: _, ...body } = { ...error.toProblem(), code: 'FROM_THE_FUTURE' }
    expect(RoslinError.parse(JSON.stringify(body))).toMatchObject({
      code: 'FROM_THE_FUTURE',
      message: 'It is empty.',
      nextStep: 'Fill it.',
      issues: [],
    })
  })

  it.each(codes)('%s has an HTTP status of an error', (code) => {
    expect(ERROR_STATUS[code]).toBeGreaterThanOrEqual(400)
    expect(ERROR_STATUS[code]).toBeLessThan(600)
  })
})
