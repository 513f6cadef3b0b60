import { Logger } from '@aws-lambda-powertools/logger'

/** One JSON object a line; handlers add the run's id. */
export const logger = new Logger({ serviceName: 'roslin' })
