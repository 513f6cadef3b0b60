import { Annotations, Duration, Size, Stack, Validations } from 'aws-cdk-lib'
import {
  EcsMachineImageType,
  FairshareSchedulingPolicy,
  type IJobQueue,
  type ISchedulingPolicy,
} from 'aws-cdk-lib/aws-batch'
import { type IMachineImage, MachineImage } from 'aws-cdk-lib/aws-ec2'
import {
  type IGrantable,
  type IRole,
  ManagedPolicy,
  PolicyStatement,
  Role,
  ServicePrincipal,
} from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import { optionName } from '../../core/capacity.ts'
import { shares } from '../../core/fair-share.ts'
import { instanceType } from '../../core/instance-types.ts'
import { onDemandPrice } from '../../core/prices.ts'
import { instanceStoreGib, scratchGib } from '../../core/scratch.ts'
import { type CapacityOption, isMultiNode } from '../../core/team-capacity.ts'
import type { FairShare } from '../../core/team-fair-share.ts'
import type { Network } from './network.ts'
import { ScalingQueue } from './scaling-queue.ts'
import { SYSTEM_GIB } from './scratch.ts'

export interface ComputeProps {
  readonly team: string
  readonly network: Network
  readonly capacity: readonly CapacityOption[]
  readonly region: string
  readonly maxVcpus: number
  readonly fairShare?: FairShare | undefined
}

/** Prepare runs on small machines, a few at a time. */
const CPU = {
  instanceTypes: ['m7i.large', 'm7i.2xlarge', 'm7i.8xlarge'],
  imageType: EcsMachineImageType.ECS_AL2023,
  purchase: 'on-demand',
  maxVcpus: 32,
  // The base model twice: as it comes, and as it goes to the bucket.
  rootVolume: Size.gibibytes(SYSTEM_GIB + 100),
  wait: Duration.hours(1),
} as const

/** A queue for Prepare, and one for each of the team's capacity options; all scale to nothing. */
export class Compute extends Construct {
  readonly cpuJobQueue: IJobQueue
  /** In the order of the capacity options. */
  readonly capacityJobQueues: readonly IJobQueue[]
  readonly jobQueues: readonly IJobQueue[]
  readonly #team: string

  constructor(
    scope: Construct,
    id: string,
    { team, network, capacity, region, maxVcpus, fairShare }: ComputeProps,
  ) {
    super(scope, id)
    this.#team = team
    const instanceRole = this.#instanceRole()
    const schedulingPolicy = fairShare && this.#schedulingPolicy(fairShare)
    const common = { network, instanceRole, schedulingPolicy }
    this.cpuJobQueue = new ScalingQueue(this, 'Cpu', { ...CPU, ...common }).jobQueue
    this.capacityJobQueues = capacity.map((option) => {
      this.#sayScaleDown(option, region)
      // Named by what it is: another order in the team file replaces nothing.
      return new ScalingQueue(this, optionName(option), {
        ...common,
        // What one job may ask for it must be able to get.
        maxVcpus: Math.max(maxVcpus, vcpusOfLargestJob(option)),
        ...machineOf(option, region),
      }).jobQueue
    })
    this.jobQueues = [this.cpuJobQueue, ...this.capacityJobQueues]
  }

  /** To look at jobs and to end the team's. */
  grantJobControl(grantee: IGrantable): void {
    const policy = (statement: PolicyStatement) => grantee.grantPrincipal.addToPrincipalPolicy(statement)
    this.grantDescribeJobs(grantee)
    // Batch's List knows no resources.
    policy(new PolicyStatement({ actions: ['batch:ListJobs'], resources: ['*'] }))
    policy(
      new PolicyStatement({
        actions: ['batch:GetJobQueueSnapshot'],
        resources: this.jobQueues.map(({ jobQueueArn }) => jobQueueArn),
      }),
    )
    policy(this.terminateJobs())
  }

  /** To look at jobs; Batch's Describe knows no resources. */
  grantDescribeJobs(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({ actions: ['batch:DescribeJobs'], resources: ['*'] }),
    )
  }

  /** Batch makes a job's id when it is submitted; whose it is, its tag says, which the flow gives it. */
  terminateJobs(): PolicyStatement {
    return new PolicyStatement({
      actions: ['batch:TerminateJob'],
      resources: [Stack.of(this).formatArn({ service: 'batch', resource: 'job', resourceName: '*' })],
      conditions: { StringEquals: { 'aws:ResourceTag/roslin:team': this.#team } },
    })
  }

  /** A machine that stays is billed while it does nothing. */
  #sayScaleDown(option: CapacityOption, region: string): void {
    if (!option.scaleDownMinutes) return
    const usdPerHour =
      option.reservation?.priceUsdPerHour ?? onDemandPrice(option.instanceType, region).usdPerHour
    const usd = (usdPerHour * option.scaleDownMinutes) / 60
    Annotations.of(this).addInfoV2(
      `roslin:scaleDown ${optionName(option)}`,
      `${optionName(option)} stays ${option.scaleDownMinutes} minutes after its last job: up to $${usd.toFixed(2)} each time, at $${usdPerHour} an hour.`,
    )
  }

  #schedulingPolicy(fairShare: FairShare): ISchedulingPolicy {
    return new FairshareSchedulingPolicy(this, 'FairShare', {
      shareDecay: Duration.hours(fairShare.historyHours),
      shares: shares(fairShare),
    })
  }

  #instanceRole(): IRole {
    const role = new Role(this, 'InstanceRole', {
      assumedBy: new ServicePrincipal('ec2.amazonaws.com'),
      managedPolicies: [
        ManagedPolicy.fromAwsManagedPolicyName('service-role/AmazonEC2ContainerServiceforEC2Role'),
      ],
    })
    Validations.of(role).acknowledge({
      id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role]',
      reason: "What the ECS agent on Batch's instances needs, as AWS keeps it; jobs have roles of their own.",
    })
    return role
  }
}

function vcpusOfLargestJob({ instanceType: name, maxNodes = 1 }: CapacityOption): number {
  return maxNodes * instanceType(name).vcpus
}

function machineOf(option: CapacityOption, region: string) {
  const type = instanceType(option.instanceType)
  const neededGib = option.scratchGib ?? scratchGib(type)
  const onRootGib = instanceStoreGib(type) >= neededGib ? 0 : neededGib
  return {
    instanceTypes: [option.instanceType],
    imageType: type.gpu ? EcsMachineImageType.ECS_AL2023_NVIDIA : EcsMachineImageType.ECS_AL2023,
    image: imageOf(option, region),
    purchase: option.purchase,
    maxPricePercent: option.maxPricePercent,
    reservation: option.reservation,
    rootVolume: Size.gibibytes(SYSTEM_GIB + onRootGib),
    wait: Duration.minutes(option.waitMinutes),
    scaleDown: option.scaleDownMinutes ? Duration.minutes(option.scaleDownMinutes) : undefined,
    nodes: isMultiNode(option) ? { efaCards: type.efaCards ?? 0 } : undefined,
  }
}

function imageOf({ amiId, amiParameter }: CapacityOption, region: string): IMachineImage | undefined {
  if (amiId) return MachineImage.genericLinux({ [region]: amiId })
  return amiParameter ? MachineImage.fromSsmParameter(amiParameter) : undefined
}
