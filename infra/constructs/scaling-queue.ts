import { Duration, type Size } from 'aws-cdk-lib'
import {
  AllocationStrategy,
  CfnComputeEnvironment,
  type EcsMachineImageType,
  type ISchedulingPolicy,
  JobQueue,
  JobStateTimeLimitActionsReason,
  ManagedEc2EcsComputeEnvironment,
} from 'aws-cdk-lib/aws-batch'
import {
  type IMachineImage,
  InstanceType,
  type ISecurityGroup,
  type SubnetSelection,
} from 'aws-cdk-lib/aws-ec2'
import type { IRole } from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import type { Purchase } from '../../core/purchase.ts'
import type { CapacityOption } from '../../core/team-capacity.ts'
import { Machine } from './machine.ts'
import type { Network } from './network.ts'
import { NodeGroup } from './node-group.ts'

export interface ScalingQueueProps {
  readonly network: Network
  readonly instanceRole: IRole
  readonly instanceTypes: readonly string[]
  readonly imageType: EcsMachineImageType
  /** An image of the team's own, in place of the one AWS provides for the type. */
  readonly image?: IMachineImage | undefined
  readonly purchase: Purchase
  readonly maxPricePercent?: number | undefined
  readonly reservation?: CapacityOption['reservation']
  readonly maxVcpus: number
  /** Who goes first; left out, who has waited longest. */
  readonly schedulingPolicy?: ISchedulingPolicy | undefined
  readonly rootVolume: Size
  /** How long a job may wait that Batch knows cannot start. */
  readonly wait: Duration
  /** How long a machine stays without a job; left out, as short as Batch does it. */
  readonly scaleDown?: Duration | undefined
  /** For jobs of several machines; EFA on as many network cards. */
  readonly nodes?: { readonly efaCards: number } | undefined
}

/** The causes that Batch can name for a job that does not start. */
const BLOCKED = [
  JobStateTimeLimitActionsReason.INSUFFICIENT_INSTANCE_CAPACITY,
  JobStateTimeLimitActionsReason.COMPUTE_ENVIRONMENT_MAX_RESOURCE,
  JobStateTimeLimitActionsReason.JOB_RESOURCE_REQUIREMENT,
]

/** The longest that Batch takes: a deployment that changes the machines does not end what runs on them before. */
const UPDATE_TIMEOUT = Duration.hours(6)

/** A job queue with machines of its own that come with a job and go after it. */
export class ScalingQueue extends Construct {
  readonly jobQueue: JobQueue

  constructor(scope: Construct, id: string, props: ScalingQueueProps) {
    super(scope, id)
    const { network, reservation } = props
    const { vpc } = network
    const spot = props.purchase === 'spot'
    const nodes = props.nodes && new NodeGroup(this, 'Nodes', { vpc, ...props.nodes })
    const groups: readonly ISecurityGroup[] | undefined = nodes
      ? [...(network.securityGroups ?? []), nodes.securityGroup]
      : network.securityGroups
    const { launchTemplate } = new Machine(this, 'Machine', {
      rootVolume: props.rootVolume,
      reservation,
      efa: nodes && { cards: nodes.efaCards, securityGroups: groups ?? [] },
    })
    const environment = new ManagedEc2EcsComputeEnvironment(this, 'Environment', {
      vpc,
      vpcSubnets: subnetsOf(props),
      instanceTypes: props.instanceTypes.map((name) => new InstanceType(name)),
      useOptimalInstanceClasses: false,
      minvCpus: 0,
      maxvCpus: props.maxVcpus,
      spot,
      // BEST_FIT, the API's default, waits for one type for ever.
      allocationStrategy: spot
        ? AllocationStrategy.SPOT_PRICE_CAPACITY_OPTIMIZED
        : AllocationStrategy.BEST_FIT_PROGRESSIVE,
      ...(props.maxPricePercent && { spotBidPercentage: props.maxPricePercent }),
      launchTemplate,
      instanceRole: props.instanceRole,
      images: [{ imageType: props.imageType, ...(props.image && { image: props.image }) }],
      updateTimeout: UPDATE_TIMEOUT,
      ...(groups && { securityGroups: [...groups] }),
      ...(nodes && { placementGroup: nodes.placementGroup }),
    })
    const resource = environment.node.defaultChild
    if (!(resource instanceof CfnComputeEnvironment)) throw new Error('the environment is none')
    // By number: with a name such as $Latest, Batch would not notice that there is a new one.
    resource.addPropertyOverride(
      'ComputeResources.LaunchTemplate.Version',
      launchTemplate.latestVersionNumber,
    )
    // Batch refuses groups here and network interfaces in the launch template together: each of those names them.
    if (nodes && nodes.efaCards > 0) resource.addPropertyDeletionOverride('ComputeResources.SecurityGroupIds')
    if (props.scaleDown) {
      const minutes = props.scaleDown.toMinutes()
      resource.addPropertyOverride('ComputeResources.ScalingPolicy.MinScaleDownDelayMinutes', minutes)
    }
    const { schedulingPolicy } = props
    // A queue that was made without a policy cannot be given one, nor one be taken away: it is another queue.
    this.jobQueue = new JobQueue(this, schedulingPolicy ? 'FairQueue' : 'Queue', {
      ...(schedulingPolicy && { schedulingPolicy }),
      computeEnvironments: [{ computeEnvironment: environment, order: 1 }],
      jobStateTimeLimitActions: BLOCKED.map((reason) => ({ reason, maxTime: props.wait })),
    })
  }
}

/** A reservation is in one zone; machines that work together are in one too. */
function subnetsOf({ network, reservation, nodes }: ScalingQueueProps): SubnetSelection {
  if (reservation) return network.subnets(reservation.zone)
  return nodes ? network.nearSubnets() : network.subnets()
}
