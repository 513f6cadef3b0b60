import { Size, Validations } from 'aws-cdk-lib'
import {
  AllocationStrategy,
  EcsMachineImageType,
  type IJobQueue,
  type IManagedEc2EcsComputeEnvironment,
  JobQueue,
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
  SubnetType,
} from 'aws-cdk-lib/aws-ec2'
import { type IRole, ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import type { DeployedCapacity } from '../../core/capacity.ts'
import { instanceType } from '../../core/instance-types.ts'
import type { CapacityOption } from '../../core/team.ts'

export interface ComputeProps {
  readonly vpc: IVpc
  readonly capacity: readonly CapacityOption[]
  readonly maxVcpus: number
}

/** Prepare runs on small machines; two at a time are plenty. */
const CPU_INSTANCES = ['m7i.large', 'm7i.2xlarge', 'm7i.8xlarge']
const CPU_MAX_VCPUS = 32

/** Base model, checkpoints and optimizer state of a 12B model: 24 + 3 × 24 + 142 GB, and room. */
const SCRATCH = Size.gibibytes(500)

/** A queue for Prepare, and one for each of the team's capacity options; all scale to nothing. */
export class Compute extends Construct {
  readonly cpuJobQueue: IJobQueue
  readonly capacity: readonly DeployedCapacity[]
  readonly jobQueues: readonly IJobQueue[]
  readonly #vpc: IVpc
  readonly #launchTemplate: LaunchTemplate
  readonly #instanceRole: IRole

  constructor(scope: Construct, id: string, props: ComputeProps) {
    super(scope, id)
    this.#vpc = props.vpc
    this.#launchTemplate = new LaunchTemplate(this, 'LaunchTemplate', {
      httpTokens: LaunchTemplateHttpTokens.REQUIRED,
      // The container is one hop further than the host.
      httpPutResponseHopLimit: 2,
      blockDevices: [
        {
          deviceName: '/dev/xvda',
          volume: BlockDeviceVolume.ebs(SCRATCH.toGibibytes(), {
            volumeType: EbsDeviceVolumeType.GP3,
            encrypted: true,
          }),
        },
      ],
    })
    const instanceRole = new Role(this, 'InstanceRole', {
      assumedBy: new ServicePrincipal('ec2.amazonaws.com'),
      managedPolicies: [
        ManagedPolicy.fromAwsManagedPolicyName('service-role/AmazonEC2ContainerServiceforEC2Role'),
      ],
    })
    Validations.of(instanceRole).acknowledge({
      id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role]',
      reason: "What the ECS agent on Batch's instances needs, as AWS keeps it; jobs have roles of their own.",
    })
    this.#instanceRole = instanceRole
    this.cpuJobQueue = this.#queue(
      'Cpu',
      this.#environment('CpuEnvironment', { instanceTypes: CPU_INSTANCES, maxVcpus: CPU_MAX_VCPUS }),
    )
    const options = props.capacity.map((option, index) => ({
      option,
      queue: this.#optionQueue(option, index, props.maxVcpus),
    }))
    this.capacity = options.map(({ option, queue }) => ({ ...option, jobQueueArn: queue.jobQueueArn }))
    this.jobQueues = [this.cpuJobQueue, ...options.map(({ queue }) => queue)]
  }

  #optionQueue(option: CapacityOption, index: number, maxVcpus: number): IJobQueue {
    const id = `Option${index}${option.instanceType.replace('.', '')}${option.purchase === 'spot' ? 'Spot' : 'OnDemand'}`
    return this.#queue(
      id,
      this.#environment(`${id}Environment`, { instanceTypes: [option.instanceType], maxVcpus, option }),
    )
  }

  #queue(id: string, environment: IManagedEc2EcsComputeEnvironment): IJobQueue {
    return new JobQueue(this, `${id}Queue`, {
      computeEnvironments: [{ computeEnvironment: environment, order: 1 }],
    })
  }

  #environment(
    id: string,
    {
      instanceTypes,
      maxVcpus,
      option,
    }: { instanceTypes: readonly string[]; maxVcpus: number; option?: CapacityOption },
  ): IManagedEc2EcsComputeEnvironment {
    const spot = option?.purchase === 'spot'
    return new ManagedEc2EcsComputeEnvironment(this, id, {
      vpc: this.#vpc,
      vpcSubnets: { subnetType: SubnetType.PUBLIC },
      instanceTypes: instanceTypes.map((name) => new InstanceType(name)),
      useOptimalInstanceClasses: false,
      minvCpus: 0,
      maxvCpus: maxVcpus,
      spot,
      // BEST_FIT, the API's default, waits for one type for ever.
      allocationStrategy: spot
        ? AllocationStrategy.SPOT_PRICE_CAPACITY_OPTIMIZED
        : AllocationStrategy.BEST_FIT_PROGRESSIVE,
      launchTemplate: this.#launchTemplate,
      instanceRole: this.#instanceRole,
      images: [
        {
          imageType:
            option && instanceType(option.instanceType).gpu
              ? EcsMachineImageType.ECS_AL2023_NVIDIA
              : EcsMachineImageType.ECS_AL2023,
          ...(option?.amiId && {
            image: MachineImage.genericLinux({ [this.#vpc.env.region]: option.amiId }),
          }),
        },
      ],
    })
  }
}
