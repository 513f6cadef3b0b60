export interface Quota {
  /** Of the service `ec2` in Service Quotas; counted in vCPUs. */
  readonly code: string
  readonly name: string
}

type Market = 'on-demand' | 'spot'

const STANDARD = 'Standard (A, C, D, H, I, M, R, T, Z)'

/** By the letters an instance type begins with, the longest first. Source: EC2's page of instance type quotas. */
const QUOTAS: readonly (readonly [prefix: string, Readonly<Record<Market, Quota>>])[] = [
  [
    'p5',
    {
      'on-demand': { code: 'L-417A185B', name: 'Running On-Demand P instances' },
      spot: { code: 'L-C4BD4855', name: 'All P5 Spot Instance Requests' },
    },
  ],
  [
    'p',
    {
      'on-demand': { code: 'L-417A185B', name: 'Running On-Demand P instances' },
      spot: { code: 'L-7212CCBC', name: 'All P4, P3 and P2 Spot Instance Requests' },
    },
  ],
  [
    'g',
    {
      'on-demand': { code: 'L-DB2E81BA', name: 'Running On-Demand G and VT instances' },
      spot: { code: 'L-3819A6DF', name: 'All G and VT Spot Instance Requests' },
    },
  ],
  [
    'm',
    {
      'on-demand': { code: 'L-1216C47A', name: `Running On-Demand ${STANDARD} instances` },
      spot: { code: 'L-34B43A08', name: `All ${STANDARD} Spot Instance Requests` },
    },
  ],
]

/** The account's quota that an instance type counts in. */
export function quotaOf(instanceType: string, purchase: string): Quota | undefined {
  const quotas = QUOTAS.find(([prefix]) => instanceType.startsWith(prefix))?.[1]
  return quotas?.[purchase === 'spot' ? 'spot' : 'on-demand']
}

/** Where a person asks for more. */
export function quotaUrl({ code }: Quota, region: string): string {
  return `https://${region}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas/${code}`
}
