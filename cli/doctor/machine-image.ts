import { DescribeImagesCommand, type EC2Client } from '@aws-sdk/client-ec2'
import { GetParameterCommand, type SSMClient } from '@aws-sdk/client-ssm'
import type { CapacityOption } from '../../core/team-capacity.ts'
import type { Verdict } from './check.ts'

interface Clients {
  readonly ssm: SSMClient
  readonly ec2: EC2Client
}

/** Whether the team's own image is there for its machines, by its id or by the parameter that holds it. */
export async function machineImageVerdict(
  clients: Clients,
  { amiId, amiParameter }: Pick<CapacityOption, 'amiId' | 'amiParameter'>,
  region: string,
): Promise<Verdict> {
  return amiParameter === undefined
    ? imageVerdict(clients.ec2, amiId ?? '', region)
    : parameterVerdict(clients, amiParameter, region)
}

async function imageVerdict(ec2: EC2Client, amiId: string, region: string): Promise<Verdict> {
  const missing: Verdict = {
    ok: false,
    detail: `there is no ${amiId} in ${region}`,
    fix: 'Copy it to the region, or share it with the account; then put its id into amiId of the team’s file.',
  }
  try {
    const { Images = [] } = await ec2.send(new DescribeImagesCommand({ ImageIds: [amiId] }))
    const [found] = Images
    if (!found) return missing
    return found.State === 'available'
      ? { ok: true, detail: `${amiId} ${found.Name ?? ''}`.trim() }
      : { ok: false, detail: `${amiId} is ${found.State}`, fix: 'Wait until it is available.' }
  } catch (error) {
    if ((error as Error).name.startsWith('InvalidAMIID')) return missing
    throw error
  }
}

async function parameterVerdict({ ssm, ec2 }: Clients, name: string, region: string): Promise<Verdict> {
  try {
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name: name }))
    const verdict = await imageVerdict(ec2, Parameter?.Value ?? '', region)
    return { ...verdict, detail: `${name}: ${verdict.detail}` }
  } catch (error) {
    if ((error as Error).name !== 'ParameterNotFound') throw error
    return {
      ok: false,
      detail: `there is no parameter ${name} in ${region}`,
      fix: 'Start the pipeline that writes it: docs/deploy.md, “A machine image for p3dn”.',
    }
  }
}
