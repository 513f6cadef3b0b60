import { DescribeImagesCommand, EC2Client } from '@aws-sdk/client-ec2'
import { GetServiceQuotaCommand, ServiceQuotasClient } from '@aws-sdk/client-service-quotas'
import { instanceType } from '../../core/instance-types.ts'
import { type Quota, quotaOf, quotaUrl } from '../../core/quotas.ts'
import type { Team } from '../../core/team.ts'
import type { CapacityOption } from '../../core/team-capacity.ts'
import { type Check, looked, type Verdict } from './check.ts'

/** Whether the account may start the machines of the team's file, and has its machine images. */
export async function capacityChecks({ capacity, region }: Team): Promise<Check[]> {
  const quotas = new ServiceQuotasClient({ region, maxAttempts: 2 })
  const ec2 = new EC2Client({ region, maxAttempts: 2 })
  const checks: Check[] = []
  for (const need of quotaNeeds(capacity)) {
    const look = async () => quotaVerdict(need, await vcpusOf(quotas, need.quota), region)
    checks.push(await looked(`quota: ${need.quota.name}`, look))
  }
  for (const [amiId, types] of Map.groupBy(
    capacity.filter(({ amiId }) => amiId),
    ({ amiId = '' }) => amiId,
  )) {
    checks.push(await looked(`machine image of ${types[0]?.instanceType}`, () => image(ec2, amiId, region)))
  }
  return checks
}

export interface QuotaNeed {
  readonly quota: Quota
  /** The machines of the largest job that counts in it. */
  readonly instanceType: string
  readonly nodes: number
  readonly vcpus: number
}

/** Each quota once, with the most that one job on the options takes of it. */
export function quotaNeeds(
  capacity: readonly Pick<CapacityOption, 'instanceType' | 'purchase' | 'maxNodes'>[],
): QuotaNeed[] {
  const needs = new Map<string, QuotaNeed>()
  for (const { instanceType: name, purchase, maxNodes: nodes = 1 } of capacity) {
    const quota = quotaOf(name, purchase)
    if (!quota) continue
    const vcpus = nodes * instanceType(name).vcpus
    if ((needs.get(quota.code)?.vcpus ?? 0) < vcpus)
      needs.set(quota.code, { quota, instanceType: name, nodes, vcpus })
  }
  return [...needs.values()]
}

export function quotaVerdict(
  { quota, instanceType: name, nodes, vcpus }: QuotaNeed,
  allowed: number | undefined,
  region: string,
): Verdict {
  if (allowed === undefined) return { ok: null, detail: 'Service Quotas does not say' }
  const detail = `${allowed} vCPUs, ${nodes > 1 ? `${nodes} × ${name} take` : `one ${name} takes`} ${vcpus}`
  if (allowed >= vcpus) return { ok: true, detail }
  return { ok: false, detail, fix: `Ask for ${vcpus} or more: ${quotaUrl(quota, region)}` }
}

async function vcpusOf(client: ServiceQuotasClient, { code }: Quota): Promise<number | undefined> {
  const { Quota: found } = await client.send(
    new GetServiceQuotaCommand({ ServiceCode: 'ec2', QuotaCode: code }),
  )
  return found?.Value
}

async function image(ec2: EC2Client, amiId: string, region: string): Promise<Verdict> {
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
