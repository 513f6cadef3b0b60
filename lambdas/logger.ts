import { Logger } from '@aws-lambda-powertools/logger'

/** One JSON object a line, with its team; a line that is of a run has its id as `runId`, wherever it is written. */
export const logger = new Logger({ serviceName: 'roslin', persistentKeys: { team: process.env.TEAM } })
