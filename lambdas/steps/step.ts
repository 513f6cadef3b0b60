import { RoslinError } from '../../core/errors.ts'
import { logger } from '../logger.ts'

interface StepInput {
  readonly runId: string
  readonly execution?: number
}

/**
 * A state's handler. Its RoslinErrors leave under their code as the error's name, with the whole problem as the
 * message: the state machine can match the one, and Fail reads the other.
 */
export function step<Input extends StepInput, Output>(work: (input: Input) => Promise<Output>) {
  return async (input: Input, context?: { readonly awsRequestId: string }): Promise<Output> => {
    const { runId, execution } = input
    logger.resetKeys()
    logger.appendKeys({ runId, execution, requestId: context?.awsRequestId })
    try {
      return await work(input)
    } catch (error) {
      logger.error('step failed', error as Error)
      const own = RoslinError.in(error)
      throw own ? Object.assign(new Error(JSON.stringify(own.toProblem())), { name: own.code }) : error
    }
  }
}
