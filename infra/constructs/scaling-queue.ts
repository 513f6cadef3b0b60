import type { Duration, Size } from 'aws-cdk-lib'
import {
  AllocationStrategy,
  type EcsMachineImageType,
  JobQueue,
  JobStateTimeLimitActionsReason,
  ManagedEc2EcsComputeEnvironment,
} from 'aws-cdk-lib/aws-batch'
import {
  BlockDeviceVolume,
  EbsDeviceVolumeType,
  InstanceType,
  type IVpc,
  LaunchTemplate,
  LaunchTemplateHttpTokens,
  MachineImage,
  MultipartBody,
  MultipartUserData,
  SubnetType,
  UserData,
} from 'aws-cdk-lib/aws-ec2'
import type { IRole } from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'

export interface ScalingQueueProps {
  readonly vpc: IVpc
  readonly instanceRole: IRole
  readonly instanceTypes: readonly string[]
  readonly imageType: EcsMachineImageType
  /** An image of the team's own, in place of the one AWS provides for the type. */
  readonly amiId?: string | undefined
  readonly spot: boolean
  readonly maxVcpus: number
  readonly scratch: Size
  /** How long a job may wait that Batch knows cannot start. */
  readonly wait: Duration
}

/** The causes that Batch can name for a job that does not start. */
const BLOCKED = [
  JobStateTimeLimitActionsReason.INSUFFICIENT_INSTANCE_CAPACITY,
  JobStateTimeLimitActionsReason.COMPUTE_ENVIRONMENT_MAX_RESOURCE,
  JobStateTimeLimitActionsReason.JOB_RESOURCE_REQUIREMENT,
]

/** A checkpoint of the largest models takes up to 100 s; from SIGTERM to SIGKILL, the ECS agent gives 30 s by default. */
const STOP_TIMEOUT_SECONDS = 120

/** A job queue with machines of its own that come with a job and go after it. */
export class ScalingQueue extends Construct {
  readonly jobQueue: JobQueue

  constructor(scope: Construct, id: string, props: ScalingQueueProps) {
    super(scope, id)
    const { vpc, spot, amiId } = props
    const launchTemplate = new LaunchTemplate(this, 'LaunchTemplate', {
      httpTokens: LaunchTemplateHttpTokens.REQUIRED,
      // The container is one hop further than the host.
      httpPutResponseHopLimit: 2,
      userData: userData(),
      blockDevices: [
        {
          deviceName: '/dev/xvda',
          volume: BlockDeviceVolume.ebs(props.scratch.toGibibytes(), {
            volumeType: EbsDeviceVolumeType.GP3,
            encrypted: true,
          }),
        },
      ],
    })
    const computeEnvironment = new ManagedEc2EcsComputeEnvironment(this, 'Environment', {
      vpc,
      vpcSubnets: { subnetType: SubnetType.PUBLIC },
      instanceTypes: props.instanceTypes.map((name) => new InstanceType(name)),
      useOptimalInstanceClasses: false,
      minvCpus: 0,
      maxvCpus: props.maxVcpus,
      spot,
      // BEST_FIT, the API's default, waits for one type for ever.
      allocationStrategy: spot
        ? AllocationStrategy.SPOT_PRICE_CAPACITY_OPTIMIZED
        : AllocationStrategy.BEST_FIT_PROGRESSIVE,
      launchTemplate,
      instanceRole: props.instanceRole,
      images: [
        {
          imageType: props.imageType,
          ...(amiId && { image: MachineImage.genericLinux({ [vpc.env.region]: amiId }) }),
        },
      ],
    })
    this.jobQueue = new JobQueue(this, 'Queue', {
      computeEnvironments: [{ computeEnvironment, order: 1 }],
      jobStateTimeLimitActions: BLOCKED.map((reason) => ({ reason, maxTime: props.wait })),
    })
  }
}

/** Batch adds parts of its own, and takes only MIME multipart for that. */
function userData(): MultipartUserData {
  const commands = UserData.forLinux()
  commands.addCommands(`echo ECS_CONTAINER_STOP_TIMEOUT=${STOP_TIMEOUT_SECONDS}s >> /etc/ecs/ecs.config`)
  const parts = new MultipartUserData()
  parts.addPart(
    MultipartBody.fromRawBody({ contentType: MultipartBody.SHELL_SCRIPT, body: commands.render() }),
  )
  return parts
}
