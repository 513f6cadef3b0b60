import { EC2Client } from '@aws-sdk/client-ec2'
import { GetServiceQuotaCommand, ServiceQuotasClient } from '@aws-sdk/client-service-quotas'
import { SSMClient } from '@aws-sdk/client-ssm'
import { instanceType } from '../../core/instance-types.ts'
import { type Quota, quotaOf, quotaUrl } from '../../core/quotas.ts'
import type { Team } from '../../core/team.ts'
import type { CapacityOption } from '../../core/team-capacity.ts'
import { type Check, looked, type Verdict } from './check.ts'
import { machineImageVerdict } from './machine-image.ts'
import { findReservation, reservationVerdict } from './reservation.ts'

/** Whether the account may start the machines of the team's file, has their images, and holds their reservations. */
export async function capacityChecks({ capacity, region }: Team): Promise<Check[]> {
  const client = { region, maxAttempts: 2 }
  const quotas = new ServiceQuotasClient(client)
  const ec2 = new EC2Client(client)
  const ssm = new SSMClient(client)
  const checks: Check[] = []
  for (const need of quotaNeeds(capacity)) {
    const look = async () => quotaVerdict(need, await vcpusOf(quotas, need.quota), region)
    checks.push(await looked(`quota: ${need.quota.name}`, look))
  }
  const images = new Map(capacity.map((option) => [option.amiId ?? option.amiParameter, option]))
  for (const [image, option] of images) {
    if (image === undefined) continue
    const look = () => machineImageVerdict({ ssm, ec2 }, option, region)
    checks.push(await looked(`machine image of ${option.instanceType}`, look))
  }
  for (const { instanceType, maxNodes, reservation } of capacity) {
    if (!reservation) continue
    const option = { instanceType, maxNodes, reservation }
    const look = async () => reservationVerdict(option, await findReservation(ec2, option))
    checks.push(await looked(`reservation ${reservation.id}`, look))
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
