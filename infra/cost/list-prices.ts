import {
  ENDPOINT_USD_PER_HOUR,
  HOURS_A_MONTH,
  NAT_GATEWAY_USD_PER_HOUR,
  PUBLIC_ADDRESS_USD_PER_HOUR,
} from '../../core/network-cost.ts'

export interface ListPrice {
  readonly usd: number
  /** What one of it costs so much; a month is 730 hours. */
  readonly unit: string
  /** How many of them an account has free for ever, each month: for all teams in it together. */
  readonly alwaysFree?: number
  readonly source: string
}

/** When they were written down: CloudWatch's and X-Ray's by quotes of their pages, the others remembered. Look one up before you rely on a digit. */
export const PRICES_AS_OF = '2026-11-24'

const page = (service: string) => `https://aws.amazon.com/${service}/pricing/`

/** US dollars, us-east-1, list. Other regions are up to a third dearer. */
export const LIST_PRICES = {
  alarm: {
    usd: 0.1,
    unit: 'metric of an alarm, a month',
    alwaysFree: 10,
    source: page('cloudwatch'),
  },
  compositeAlarm: { usd: 0.5, unit: 'composite alarm-month', source: page('cloudwatch') },
  dashboard: { usd: 3, unit: 'dashboard-month', alwaysFree: 3, source: page('cloudwatch') },
  customMetric: { usd: 0.3, unit: 'metric-month', alwaysFree: 10, source: page('cloudwatch') },
  logGiB: { usd: 0.5, unit: 'GiB of logs taken in', alwaysFree: 5, source: page('cloudwatch') },
  trace: { usd: 5e-6, unit: 'trace', alwaysFree: 100_000, source: page('xray') },
  lambdaRequest: { usd: 0.2e-6, unit: 'request', alwaysFree: 1_000_000, source: page('lambda') },
  lambdaGiBSecond: { usd: 16.6667e-6, unit: 'GiB-second', alwaysFree: 400_000, source: page('lambda') },
  schedulerCall: { usd: 1e-6, unit: 'call', alwaysFree: 14_000_000, source: page('eventbridge') },
  dynamoRead: { usd: 0.125e-6, unit: 'read unit', source: page('dynamodb/on-demand') },
  tableGiB: { usd: 0.25, unit: 'GiB-month', alwaysFree: 25, source: page('dynamodb/on-demand') },
  tableBackupGiB: { usd: 0.2, unit: 'GiB-month', source: page('dynamodb/on-demand') },
  bucketGiB: { usd: 0.023, unit: 'GiB-month', source: page('s3') },
  imageGiB: { usd: 0.1, unit: 'GiB-month', source: page('ecr') },
  snapshotGiB: { usd: 0.05, unit: 'GiB-month', source: page('ebs') },
  /** Machines are priced alike: twice the GPUs, twice the price. */
  buildGpuHour: {
    usd: 3.06,
    unit: 'GPU-hour of a p3',
    source: 'https://aws.amazon.com/ec2/instance-types/p3/',
  },
  key: { usd: 1, unit: 'key-month', source: page('kms') },
  secret: { usd: 0.4, unit: 'secret-month', source: page('secrets-manager') },
  natGateway: { usd: NAT_GATEWAY_USD_PER_HOUR * HOURS_A_MONTH, unit: 'gateway-month', source: page('vpc') },
  publicIp: { usd: PUBLIC_ADDRESS_USD_PER_HOUR * HOURS_A_MONTH, unit: 'address-month', source: page('vpc') },
  interfaceEndpoint: {
    usd: ENDPOINT_USD_PER_HOUR * HOURS_A_MONTH,
    unit: 'zone-month',
    source: page('privatelink'),
  },
} as const satisfies Record<string, ListPrice>

export type PriceName = keyof typeof LIST_PRICES
