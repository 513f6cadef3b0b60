import { describe, expect, it } from 'vitest'
import { CLI_EXIT, exitCodeOf } from '../../cli/exit-codes.ts'
import { ERROR_STATUS, type ErrorCode, RoslinError } from '../../core/errors.ts'

const exitCode = (code: ErrorCode) => exitCodeOf(new RoslinError(code, 'detail', 'next step'))

describe('the exit code of the command line', () => {
  it('is one of the documented for every error, and never 0', () => {
    const documented: readonly number[] = [CLI_EXIT.failed, CLI_EXIT.usage, CLI_EXIT.unreachable]
    for (const code of Object.keys(ERROR_STATUS) as ErrorCode[]) expect(documented).toContain(exitCode(code))
  })

  it.each<[ErrorCode, number]>([
    ['RECIPE_INVALID', 2],
    ['DATASET_INVALID', 2],
    ['RUN_NOT_FOUND', 2],
    ['PREREQUISITE_MISSING', 2],
    ['PORT_BUSY', 2],
    ['API_UNREACHABLE', 3],
    ['DEPLOYMENT_NOT_FOUND', 3],
    ['INTERNAL', 1],
    ['DISK_FULL', 1],
  ])('after %s is %i', (code, expected) => {
    expect(exitCode(code)).toBe(expected)
  })
})
