import { RoslinError } from '../../core/errors.ts'
import { ASSUMED } from './assumed.ts'
import { firingsPerMonth, usageOfCalls } from './invocations.ts'
import type { PriceName } from './list-prices.ts'
import { type Resources, referredId } from './template.ts'

/** So much of one price, and what that was worked out from. */
export interface Usage {
  readonly price: PriceName
  readonly quantity: number
  readonly basis: string
}

// biome-ignore lint/suspicious/noExplicitAny: a template's properties have a shape for each of its types
type Price = (properties: any, resources: Resources) => readonly Usage[]

const one = (price: PriceName, basis = 'one'): Price => {
  const usage = [{ price, quantity: 1, basis }]
  return () => usage
}

/** What a machine image can be built on: what it is for. */
const GPUS_OF_P3: Readonly<Record<string, number>> = {
  'p3.2xlarge': 1,
  'p3.8xlarge': 4,
  'p3dn.24xlarge': 10.2,
}

/** The types of resources that cost something while nothing runs, or may. */
export const PRICED: Readonly<Record<string, Price>> = {
  'AWS::CloudWatch::Alarm': ({ Metrics }) => {
    // Of a calculation each metric that goes into it is charged.
    const metrics = Metrics?.filter((metric: { MetricStat?: unknown }) => metric.MetricStat).length ?? 1
    return [{ price: 'alarm', quantity: metrics, basis: metrics === 1 ? 'one metric' : `${metrics} metrics` }]
  },
  'AWS::CloudWatch::CompositeAlarm': one('compositeAlarm'),
  'AWS::CloudWatch::Dashboard': one('dashboard'),
  'AWS::DynamoDB::GlobalTable': ({ Replicas = [] }) => {
    const { tableGiB } = ASSUMED
    const isBackedUp = Replicas.some(
      ({
        PointInTimeRecoverySpecification: backup,
      }: {
        PointInTimeRecoverySpecification?: { PointInTimeRecoveryEnabled?: boolean }
      }) => backup?.PointInTimeRecoveryEnabled,
    )
    return [
      { price: 'tableGiB', quantity: tableGiB, basis: `${tableGiB} GiB` },
      ...(isBackedUp
        ? [{ price: 'tableBackupGiB', quantity: tableGiB, basis: `point in time, ${tableGiB} GiB` } as const]
        : []),
    ]
  },
  'AWS::S3::Bucket': () => [
    {
      price: 'bucketGiB',
      quantity: ASSUMED.bucketGiB,
      basis: `${ASSUMED.bucketGiB} GiB before any data or model`,
    },
  ],
  'AWS::Batch::ComputeEnvironment': ({ ComputeResources }) => {
    if (!ComputeResources?.MinvCpus) return []
    throw new RoslinError(
      'RESOURCE_UNPRICED',
      `A compute environment keeps machines running: its MinvCpus is ${ComputeResources.MinvCpus}.`,
      'Set it to 0, or price its machines in infra/cost/priced-types.ts.',
    )
  },
  'AWS::KMS::Key': one('key', 'one; each of its first two yearly rotations adds $1'),
  'AWS::SecretsManager::Secret': one('secret'),
  'AWS::EC2::NatGateway': one('natGateway'),
  'AWS::EC2::EIP': one('publicIp'),
  'AWS::EC2::VPCEndpoint': ({ VpcEndpointType, SubnetIds = [] }) => {
    if (VpcEndpointType !== 'Interface') return []
    const zones = SubnetIds.length
    return [{ price: 'interfaceEndpoint', quantity: zones, basis: `${zones} zones` }]
  },
  'AWS::ImageBuilder::ImagePipeline': ({ Schedule, InfrastructureConfigurationArn }, resources) => {
    const { machineImages, machineImageGiB, buildsPerMonth, hoursPerBuild } = ASSUMED
    const infrastructure = resources[referredId(InfrastructureConfigurationArn) ?? '']
    const type = infrastructure?.Properties.InstanceTypes[0]
    const hours = Schedule ? buildsPerMonth * hoursPerBuild : 0
    return [
      {
        price: 'snapshotGiB',
        quantity: machineImages * machineImageGiB,
        basis: `${machineImages} images kept, ${machineImageGiB} GiB each`,
      },
      {
        price: 'buildGpuHour',
        quantity: hours * (GPUS_OF_P3[type] ?? 0),
        basis: `a build each week, ${hoursPerBuild} hours of ${type}`,
      },
    ]
  },
  'AWS::Events::Rule': ({ ScheduleExpression, State, Targets = [] }, resources) => {
    if (!ScheduleExpression || State === 'DISABLED') return []
    const calls = firingsPerMonth(ScheduleExpression)
    return Targets.flatMap(({ Arn }: { Arn: unknown }) => usageOfCalls(Arn, calls, resources))
  },
  'AWS::Scheduler::Schedule': (properties, resources) => {
    const { ScheduleExpression, ScheduleExpressionTimezone, State, Target } = properties
    if (State === 'DISABLED') return []
    const calls = firingsPerMonth(ScheduleExpression, ScheduleExpressionTimezone)
    const basis = `${Math.round(calls)} firings, their runs left out`
    return [{ price: 'schedulerCall', quantity: calls, basis }, ...usageOfCalls(Target.Arn, calls, resources)]
  },
}
