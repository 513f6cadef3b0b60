import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation'
import { RoslinError } from '../core/errors.ts'
import { parseTeamName } from '../core/team.ts'
import { awsEnvironment, embeddedApiUrl, findEmbedded } from '../local/embedded.ts'

/** The deployment a command speaks to. */
export interface Target {
  readonly team: string
  readonly apiUrl: string
  readonly region: string
  /** The embedded AWS: nothing is paid for there. */
  readonly isEmbedded?: true
}

/**
 * The team's deployment: the embedded AWS when it runs and holds that team (or none was named), else the AWS account of
 * the caller's credentials.
 * @throws RoslinError DEPLOYMENT_NOT_FOUND
 */
export async function findTarget(team: string | undefined): Promise<Target> {
  if (team !== undefined) parseTeamName(team)
  const embedded = await findEmbedded()
  if (embedded && (team === undefined || team === embedded.team)) {
    // For this process alone: from here on the SDK speaks to the embedded AWS.
    Object.assign(process.env, awsEnvironment(embedded))
    const apiUrl = await deployedApiUrl(embedded.team)
    return {
      team: embedded.team,
      apiUrl: embeddedApiUrl(apiUrl, embedded.port),
      region: embedded.region,
      isEmbedded: true,
    }
  }
  if (team === undefined) {
    throw new RoslinError(
      'DEPLOYMENT_NOT_FOUND',
      'The embedded AWS is not running, and no team was named.',
      'Start it with `npx roslin up`, or name a team deployed to AWS with --team.',
    )
  }
  const apiUrl = await deployedApiUrl(team)
  return {
    team,
    apiUrl,
    region: process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? regionOf(apiUrl),
  }
}

async function deployedApiUrl(team: string): Promise<string> {
  const StackName = `Roslin-${team}-ControlPlane`
  const missing = (why: string) =>
    new RoslinError(
      'DEPLOYMENT_NOT_FOUND',
      `The stack ${StackName} could not be read: ${why}.`,
      `Deploy it with \`npx cdk deploy --all -c team=${team}\`, and check the credentials and the region.`,
    )
  const { Stacks } = await new CloudFormationClient({})
    .send(new DescribeStacksCommand({ StackName }))
    .catch((error: Error) => {
      throw missing(error.message)
    })
  const url = Stacks?.[0]?.Outputs?.find(({ OutputKey }) => OutputKey === 'ApiUrl')?.OutputValue
  if (!url) throw missing('it has no output ApiUrl')
  return url
}

function regionOf(apiUrl: string): string {
  return new URL(apiUrl).hostname.split('.')[2] ?? 'us-east-1'
}
