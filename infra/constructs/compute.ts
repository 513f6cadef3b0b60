import { Duration, Size, Stack, Validations } from 'aws-cdk-lib'
import { EcsMachineImageType, type IJobQueue } from 'aws-cdk-lib/aws-batch'
import type { IVpc } from 'aws-cdk-lib/aws-ec2'
import {
  type IGrantable,
  type IRole,
  ManagedPolicy,
  PolicyStatement,
  Role,
  ServicePrincipal,
} from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import type { DeployedCapacity } from '../../core/capacity.ts'
import { instanceType } from '../../core/instance-types.ts'
import type { CapacityOption } from '../../core/team.ts'
import { ScalingQueue } from './scaling-queue.ts'

export interface ComputeProps {
  readonly team: string
  readonly vpc: IVpc
  readonly capacity: readonly CapacityOption[]
  readonly maxVcpus: number
}

/** Prepare runs on small machines, a few at a time. */
const CPU = {
  instanceTypes: ['m7i.large', 'm7i.2xlarge', 'm7i.8xlarge'],
  maxVcpus: 32,
  // The base model twice: as it comes, and as it goes to the bucket.
  scratch: Size.gibibytes(100),
  wait: Duration.hours(1),
}

/** For a 12B model: the weights, three checkpoints of 24 GB and 142 GB of optimizer state, and room. */
const TRAINING_SCRATCH = Size.gibibytes(500)

/** A queue for Prepare, and one for each of the team's capacity options; all scale to nothing. */
export class Compute extends Construct {
  readonly cpuJobQueue: IJobQueue
  readonly capacity: readonly DeployedCapacity[]
  readonly jobQueues: readonly IJobQueue[]
  readonly #team: string

  constructor(scope: Construct, id: string, { team, vpc, capacity, maxVcpus }: ComputeProps) {
    super(scope, id)
    this.#team = team
    const instanceRole = this.#instanceRole()
    const cpu = { ...CPU, vpc, instanceRole, imageType: EcsMachineImageType.ECS_AL2023, spot: false }
    this.cpuJobQueue = new ScalingQueue(this, 'Cpu', cpu).jobQueue
    const options = capacity.map((option) => {
      const onGpu = instanceType(option.instanceType).gpu !== undefined
      // Named by what it is: another order in the team file replaces nothing.
      const { jobQueue } = new ScalingQueue(this, `${option.instanceType} ${option.purchase}`, {
        vpc,
        instanceRole,
        instanceTypes: [option.instanceType],
        imageType: onGpu ? EcsMachineImageType.ECS_AL2023_NVIDIA : EcsMachineImageType.ECS_AL2023,
        amiId: option.amiId,
        spot: option.purchase === 'spot',
        maxVcpus,
        scratch: TRAINING_SCRATCH,
        wait: Duration.minutes(option.waitMinutes),
      })
      return { option, jobQueue }
    })
    this.capacity = options.map(({ option, jobQueue }) => ({ ...option, jobQueueArn: jobQueue.jobQueueArn }))
    this.jobQueues = [this.cpuJobQueue, ...options.map(({ jobQueue }) => jobQueue)]
  }

  /** To look at jobs and to end the team's. */
  grantJobControl(grantee: IGrantable): void {
    const policy = (statement: PolicyStatement) => grantee.grantPrincipal.addToPrincipalPolicy(statement)
    // Batch's List and Describe know no resources.
    policy(new PolicyStatement({ actions: ['batch:DescribeJobs', 'batch:ListJobs'], resources: ['*'] }))
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
