import { ERROR_STATUS, type RoslinError } from '../core/errors.ts'

/** How the command ends. docs/reference/cli.md has the table. */
export const CLI_EXIT = {
  ok: 0,
  /** The run that was watched did not succeed, or something unexpected happened. */
  failed: 1,
  /** The command, the recipe or the data cannot be used: nothing was started. */
  usage: 2,
  /** The embedded AWS, the deployment or the API is not there. */
  unreachable: 3,
  interrupted: 130,
} as const

export function exitCodeOf(error: RoslinError): number {
  if (error.code === 'API_UNREACHABLE' || error.code === 'DEPLOYMENT_NOT_FOUND') return CLI_EXIT.unreachable
  return ERROR_STATUS[error.code] < 500 ? CLI_EXIT.usage : CLI_EXIT.failed
}
