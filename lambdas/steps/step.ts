import { RoslinError } from '../../core/errors.ts'
import { logger } from '../logger.ts'

/**
 * A state's handler. Its RoslinErrors leave under their code as the error's name, with the whole problem as the
 * message: the state machine can match the one, and Fail reads the other.
 */
export function step<Input extends { readonly runId: string }, Output>(
  work: (input: Input) => Promise<Output>,
) {
  return async (input: Input): Promise<Output> => {
    logger.resetKeys()
    logger.appendKeys({ runId: input.runId })
    try {
      return await work(input)
    } catch (error) {
      logger.error('step failed', error as Error)
      const own = RoslinError.in(error)
      throw own ? Object.assign(new Error(JSON.stringify(own.toProblem())), { name: own.code }) : error
    }
  }
}
