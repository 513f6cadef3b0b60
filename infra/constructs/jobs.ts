import { join } from 'node:path'
import { RemovalPolicy, Size } from 'aws-cdk-lib'
import {
  EcsEc2ContainerDefinition,
  EcsJobDefinition,
  Secret as JobSecret,
  LinuxParameters,
  type Ulimit,
  UlimitName,
} from 'aws-cdk-lib/aws-batch'
import { DockerImageAsset, Platform } from 'aws-cdk-lib/aws-ecr-assets'
import { ContainerImage, LogDriver } from 'aws-cdk-lib/aws-ecs'
import { type IRole, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { IBucket } from 'aws-cdk-lib/aws-s3'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import type { StepName } from '../../core/plan.ts'
import { RUN_FILES } from '../../core/storage-layout.ts'
import type { Secrets } from '../../core/team-identity.ts'

export interface JobsProps {
  readonly bucket: IBucket
  /** A prebuilt image; left out, containers/trainer is built. */
  readonly trainerImage: string | undefined
  readonly secrets: Secrets
  readonly logRetentionDays: RetentionDays
}

/** A step removes what an earlier attempt said of its end, so that nobody takes it for its own. */
const LAST_ERROR = `runs/*/${RUN_FILES.error}`

/** What a step's container may read and write in the team's bucket. */
const RIGHTS: Readonly<
  Record<StepName, { read: readonly string[]; write: readonly string[]; remove: readonly string[] }>
> = {
  // A team keeps its data and models in its bucket where it likes.
  prepare: {
    read: ['*'],
    write: ['base-models/*', 'prepared/*', 'runs/*'],
    remove: [LAST_ERROR],
  },
  // Checkpoints that are not to be kept are removed once a later one is complete.
  train: {
    read: ['base-models/*', 'prepared/*', 'runs/*', 'models/*'],
    write: ['runs/*', 'models/*'],
    remove: ['runs/*'],
  },
  evaluate: {
    read: ['base-models/*', 'prepared/*', 'runs/*', 'models/*'],
    write: ['runs/*'],
    remove: [LAST_ERROR],
  },
}

/** NCCL and the data loader share memory between processes; the kernel's default of 64 MB is too little. */
const SHARED_MEMORY = Size.gibibytes(8)

/**
 * What NVIDIA starts its own PyTorch containers with: NCCL pins memory, and has deep stacks. Each rank holds open the
 * model's files, the uploads' connections and NCCL's sockets; the daemon's default for files differs from machine to machine.
 */
const ULIMITS: readonly Ulimit[] = [
  { name: UlimitName.MEMLOCK, softLimit: -1, hardLimit: -1 },
  { name: UlimitName.STACK, softLimit: 67_108_864, hardLimit: 67_108_864 },
  { name: UlimitName.NOFILE, softLimit: 65_536, hardLimit: 65_536 },
]

/** The steps that run on the team's capacity, on several GPUs where it has them. Prepare does not. */
const ON_CAPACITY: readonly StepName[] = ['train', 'evaluate']

/** The job definitions of the steps that run in containers. Plans override what the machine must have. */
export class Jobs extends Construct {
  readonly definitionArns: Readonly<Record<StepName, string>>
  readonly definitions: readonly EcsJobDefinition[]
  readonly logGroup: LogGroup
  readonly executionRole: IRole
  readonly imageName: string

  constructor(scope: Construct, id: string, { bucket, trainerImage, secrets, logRetentionDays }: JobsProps) {
    super(scope, id)
    this.logGroup = new LogGroup(this, 'Logs', {
      retention: logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const { image, name } = this.#image(trainerImage)
    this.imageName = name
    this.executionRole = new Role(this, 'ExecutionRole', {
      assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com'),
    })
    const define = (step: StepName) =>
      this.#definition(step, image, this.#jobRole(step, bucket), step === 'prepare' ? secrets : {})
    const definitions = { prepare: define('prepare'), train: define('train'), evaluate: define('evaluate') }
    this.definitions = Object.values(definitions)
    this.definitionArns = {
      prepare: definitions.prepare.jobDefinitionArn,
      train: definitions.train.jobDefinitionArn,
      evaluate: definitions.evaluate.jobDefinitionArn,
    }
  }

  #image(trainerImage: string | undefined): { image: ContainerImage; name: string } {
    if (trainerImage) return { image: ContainerImage.fromRegistry(trainerImage), name: trainerImage }
    const asset = new DockerImageAsset(this, 'TrainerImage', {
      directory: join(import.meta.dirname, '../../containers/trainer'),
      platform: Platform.LINUX_AMD64,
    })
    return { image: ContainerImage.fromDockerImageAsset(asset), name: asset.imageUri }
  }

  #jobRole(step: StepName, bucket: IBucket): IRole {
    const role = new Role(this, `${step}Role`, {
      assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com'),
    })
    const { read, write, remove } = RIGHTS[step]
    for (const prefix of read) bucket.grantRead(role, prefix)
    for (const prefix of write) bucket.grantPut(role, prefix)
    // Not their old versions: what a job deletes can be had again for a while.
    const removed = remove.map((prefix) => bucket.arnForObjects(prefix))
    role.addToPolicy(new PolicyStatement({ actions: ['s3:DeleteObject'], resources: removed }))
    if (ON_CAPACITY.includes(step)) {
      // What a Spot machine really costs. EC2's Describe knows no resources.
      role.addToPolicy(new PolicyStatement({ actions: ['ec2:DescribeSpotPriceHistory'], resources: ['*'] }))
    }
    return role
  }

  #definition(
    step: StepName,
    image: ContainerImage,
    jobRole: IRole,
    { huggingFaceToken }: Secrets,
  ): EcsJobDefinition {
    return new EcsJobDefinition(this, `${step}Definition`, {
      container: new EcsEc2ContainerDefinition(this, `${step}Container`, {
        image,
        cpu: 2,
        memory: Size.gibibytes(4),
        jobRole,
        executionRole: this.executionRole,
        // The Hub is asked once, when the base model is mirrored.
        ...(huggingFaceToken && {
          secrets: {
            HF_TOKEN: JobSecret.fromSecretsManager(
              Secret.fromSecretNameV2(this, 'HuggingFaceToken', huggingFaceToken),
            ),
          },
        }),
        ...(ON_CAPACITY.includes(step) && {
          linuxParameters: new LinuxParameters(this, `${step}LinuxParameters`, {
            sharedMemorySize: SHARED_MEMORY,
          }),
          ulimits: [...ULIMITS],
        }),
        logging: LogDriver.awsLogs({ logGroup: this.logGroup, streamPrefix: step }),
      }),
      // The flow decides what follows a failure, and on which capacity: Batch knows neither the budget nor the other options.
      retryAttempts: 1,
      propagateTags: true,
      // Runs under way hold the revision their plan was made with.
      skipDeregisterOnUpdate: true,
    })
  }
}
