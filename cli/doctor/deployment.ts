import { BatchClient, DescribeJobDefinitionsCommand } from '@aws-sdk/client-batch'
import { CloudFormationClient, paginateListStackResources } from '@aws-sdk/client-cloudformation'
import { DescribeImagesCommand, ECRClient } from '@aws-sdk/client-ecr'
import { RoslinError } from '../../core/errors.ts'
import { Client } from '../client.ts'
import type { Flags } from '../settings.ts'
import { type Check, looked, type Verdict } from './check.ts'

/** Whether the team's API answers, and is of this version. */
export async function apiChecks(flags: Flags, cliVersion: string): Promise<Check[]> {
  const check = 'API'
  try {
    const client = await Client.connect(flags)
    const { team, apiUrl, isEmbedded } = client.target
    const deploy = isEmbedded ? `npx roslin up --team ${team}` : `npx cdk deploy --all -c team=${team}`
    const { version } = await client.health()
    return [
      { check, ok: true, detail: `team ${team} at ${apiUrl}, version ${version}` },
      { check: 'version', ...versionVerdict(cliVersion, version, deploy) },
    ]
  } catch (error) {
    if (!(error instanceof RoslinError)) throw error
    return [{ check, ok: false, detail: error.message, fix: error.nextStep }]
  }
}

/**
 * @param deployed such as 0.1.0+4f2a9c1: its commit may be another, its version may not
 * @param deploy the command that deploys this one
 */
export function versionVerdict(cli: string, deployed: string, deploy: string): Verdict {
  const detail = `this command ${cli}, the deployment ${deployed}`
  if (deployed.split('+')[0] === cli) return { ok: true, detail }
  return {
    ok: false,
    detail,
    fix: `Deploy this version (${deploy}), or check out the deployed one.`,
  }
}

/** Whether the image that the team's jobs name is in its registry. */
export function imageCheck(team: string, region: string | undefined): Promise<Check> {
  const where = { ...(region !== undefined && { region }), maxAttempts: 2 }
  return looked('trainer image', async () => {
    const arns = await jobDefinitions(new CloudFormationClient(where), `Roslin-${team}-ControlPlane`)
    const { jobDefinitions: definitions = [] } = await new BatchClient(where).send(
      new DescribeJobDefinitionsCommand({ jobDefinitions: arns.slice(0, 1) }),
    )
    const [definition] = definitions
    const uri =
      definition?.containerProperties?.image ??
      definition?.nodeProperties?.nodeRangeProperties?.[0]?.container?.image
    if (!uri) return { ok: null, detail: 'the deployment has no job definition that names one' }
    const image = parseEcrImage(uri)
    if (!image) return { ok: null, detail: `${uri} is in no registry of AWS` }
    return inRegistry(uri, image)
  })
}

async function jobDefinitions(client: CloudFormationClient, StackName: string): Promise<string[]> {
  const arns: string[] = []
  for await (const { StackResourceSummaries = [] } of paginateListStackResources({ client }, { StackName })) {
    for (const { ResourceType, PhysicalResourceId } of StackResourceSummaries) {
      if (ResourceType === 'AWS::Batch::JobDefinition' && PhysicalResourceId) arns.push(PhysicalResourceId)
    }
  }
  return arns
}

export interface EcrImage {
  readonly account: string
  readonly region: string
  readonly repository: string
  readonly id: { readonly imageTag: string } | { readonly imageDigest: string }
}

/** Undefined for an image of another registry. */
export function parseEcrImage(uri: string): EcrImage | undefined {
  const found =
    /^(\d{12})\.dkr\.ecr\.([\w-]+)\.amazonaws\.com(?:\.cn)?\/([^:@]+)(?::([^@]+))?(?:@(.+))?$/.exec(uri)
  if (!found) return undefined
  const [, account = '', region = '', repository = '', imageTag = 'latest', imageDigest] = found
  return { account, region, repository, id: imageDigest ? { imageDigest } : { imageTag } }
}

async function inRegistry(uri: string, { account, region, repository, id }: EcrImage): Promise<Verdict> {
  try {
    const { imageDetails = [] } = await new ECRClient({ region, maxAttempts: 2 }).send(
      new DescribeImagesCommand({ registryId: account, repositoryName: repository, imageIds: [id] }),
    )
    const bytes = imageDetails[0]?.imageSizeInBytes ?? 0
    return { ok: true, detail: `${uri} (${(bytes / 1e9).toFixed(1)} GB)` }
  } catch (error) {
    if (!/^(Image|Repository)NotFoundException$/.test((error as Error).name)) throw error
    return {
      ok: false,
      detail: `${uri} is not there`,
      fix: 'Deploy again, which builds and pushes it; or push it where trainerImage of the team’s file says.',
    }
  }
}
