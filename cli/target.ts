import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation'
import { RoslinError } from '../core/errors.ts'
import { parseTeamName } from '../core/team.ts'
import { awsEnvironment, type Embedded, embeddedApiUrl, findEmbedded } from '../local/embedded.ts'
import { type Flags, resolveSettings, type Settings } from './settings.ts'

/** The deployment a command speaks to. */
export interface Target {
  readonly team: string
  readonly apiUrl: string
  readonly region: string
  /** The embedded AWS: nothing is paid for there. */
  readonly isEmbedded?: true
  /** By which it was found, for commands that a person is told to type next. */
  readonly flags?: Flags
}

/**
 * The team's deployment: the embedded AWS when it runs and holds that team (or none was named), else the AWS account of
 * the caller's credentials. A profile on the command line means AWS.
 * @throws RoslinError DEPLOYMENT_NOT_FOUND, SETTINGS_INVALID
 */
export async function findTarget(flags: Flags = {}): Promise<Target> {
  const settings = resolveSettings(flags)
  const given = { team: flags.team, region: flags.region, profile: flags.profile }
  const team = settings.team.value
  if (team !== undefined) parseTeamName(team)
  const embedded = await embeddedOf(flags, team)
  if (embedded) {
    // For this process alone: from here on the SDK speaks to the embedded AWS, which knows no profile.
    Object.assign(process.env, awsEnvironment(embedded))
    delete process.env.AWS_PROFILE
    const apiUrl = await stackOutput(embedded.team, 'ApiUrl', embeddedDeployment(embedded.team))
    return {
      team: embedded.team,
      apiUrl: embeddedApiUrl(apiUrl, embedded.port),
      region: embedded.region,
      isEmbedded: true,
      flags: given,
    }
  }
  if (team === undefined) {
    throw new RoslinError(
      'DEPLOYMENT_NOT_FOUND',
      'The embedded AWS is not running, and no team was named.',
      'Start it with `npx roslin up`, or name a team deployed to AWS with --team.',
    )
  }
  speakToAws(settings)
  const apiUrl = await stackOutput(team, 'ApiUrl')
  return { team, apiUrl, region: settings.region.value ?? regionOf(apiUrl), flags: given }
}

/** Whether these flags mean the embedded AWS that runs. */
export async function isEmbedded(flags: Flags): Promise<boolean> {
  return (await embeddedOf(flags, resolveSettings(flags).team.value)) !== undefined
}

async function embeddedOf({ profile }: Flags, team: string | undefined): Promise<Embedded | undefined> {
  const embedded = profile === undefined ? await findEmbedded() : undefined
  return embedded && (team === undefined || team === embedded.team) ? embedded : undefined
}

/** For this process alone: the SDK takes profile and region from here, and finds keys, SSO sessions and roles by them itself. */
export function speakToAws({ profile, region }: Pick<Settings, 'profile' | 'region'>): void {
  if (profile.value) process.env.AWS_PROFILE = profile.value
  if (region.value) process.env.AWS_REGION = region.value
}

/** Never `cdk deploy`: a shell without the embedded AWS's environment would deploy to the user's own account. */
const embeddedDeployment = (team: string) =>
  `It is still being deployed where \`npx roslin up\` or \`npm start\` runs: wait for that. Where none runs: \`npx roslin up --team ${team}\`.`

const awsDeployment = (team: string) =>
  `Deploy it with \`npx cdk deploy --all -c team=${team}\`, and check the credentials and the region.`

/** Of the team's control plane. @throws RoslinError DEPLOYMENT_NOT_FOUND */
export async function stackOutput(
  team: string,
  name: string,
  nextStep = awsDeployment(team),
): Promise<string> {
  const StackName = `Roslin-${team}-ControlPlane`
  const missing = (why: string) =>
    new RoslinError('DEPLOYMENT_NOT_FOUND', `The stack ${StackName} could not be read: ${why}.`, nextStep)
  const { Stacks } = await new CloudFormationClient({})
    .send(new DescribeStacksCommand({ StackName }))
    .catch((error: Error) => {
      throw missing(error.message)
    })
  const value = Stacks?.[0]?.Outputs?.find(({ OutputKey }) => OutputKey === name)?.OutputValue
  if (!value) throw missing(`it has no output ${name}`)
  return value
}

function regionOf(apiUrl: string): string {
  return new URL(apiUrl).hostname.split('.')[2] ?? 'us-east-1'
}
