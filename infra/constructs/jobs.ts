import { RemovalPolicy, Size } from 'aws-cdk-lib'
import {
  CfnJobDefinition,
  type Device,
  EcsEc2ContainerDefinition,
  EcsJobDefinition,
  type IJobDefinition,
  Secret as JobSecret,
  LinuxParameters,
  MultiNodeJobDefinition,
  type Ulimit,
  UlimitName,
} from 'aws-cdk-lib/aws-batch'
import { InstanceType as Ec2InstanceType } from 'aws-cdk-lib/aws-ec2'
import { type ContainerImage, LogDriver } from 'aws-cdk-lib/aws-ecs'
import { type IRole, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { IBucket } from 'aws-cdk-lib/aws-s3'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import { optionName } from '../../core/capacity.ts'
import { type InstanceType, instanceType } from '../../core/instance-types.ts'
import type { StepName } from '../../core/plan.ts'
import { RUN_FILES } from '../../core/storage-layout.ts'
import { type CapacityOption, isMultiNode } from '../../core/team-capacity.ts'
import type { Secrets } from '../../core/team-identity.ts'
import type { TrainerImageSource } from '../../core/team-trainer.ts'
import { ALL_NODES } from './flow-definition.ts'
import { scratchVolume } from './scratch.ts'
import { TrainerImage } from './trainer-image.ts'

export interface JobsProps {
  readonly bucket: IBucket
  readonly trainerImage: TrainerImageSource
  readonly secrets: Secrets
  readonly logRetentionDays: RetentionDays
  readonly capacity: readonly CapacityOption[]
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

const ONCE = {
  // The flow decides what follows a failure, and on which capacity: Batch knows neither the budget nor the other options.
  retryAttempts: 1,
  propagateTags: true,
  // Runs under way hold the revision their plan was made with.
  skipDeregisterOnUpdate: true,
}

/** What the container of a job is, wherever it runs. */
interface Container {
  readonly step: StepName
  readonly image: ContainerImage
  readonly jobRole: IRole
  readonly executionRole: IRole
  readonly secrets?: Readonly<Record<string, JobSecret>>
}

/**
 * The job definitions of the steps that run in containers, and those of training on several nodes: one for each capacity option that
 * has them, for its instance type and devices are part of it. Plans override what the machine must have.
 */
export class Jobs extends Construct {
  readonly definitionArns: Readonly<Record<StepName, string>>
  readonly definitions: readonly IJobDefinition[]
  readonly #multiNode: ReadonlyMap<string, IJobDefinition>
  readonly logGroup: LogGroup
  readonly executionRole: IRole
  readonly imageName: string

  constructor(scope: Construct, id: string, props: JobsProps) {
    super(scope, id)
    const { bucket, trainerImage, secrets, logRetentionDays, capacity } = props
    this.logGroup = new LogGroup(this, 'Logs', {
      retention: logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const { image, name } = new TrainerImage(this, 'TrainerImage', trainerImage)
    this.imageName = name
    this.executionRole = new Role(this, 'ExecutionRole', {
      assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com'),
    })
    const container = (step: StepName): Container => ({
      step,
      image,
      jobRole: this.#jobRole(step, bucket),
      executionRole: this.executionRole,
      ...(step === 'prepare' && this.#secrets(secrets)),
    })
    const train = container('train')
    const definitions = {
      prepare: this.#definition(container('prepare')),
      train: this.#definition(train),
      evaluate: this.#definition(container('evaluate')),
    }
    const severalNodes = capacity.filter(isMultiNode)
    this.#multiNode = new Map(
      severalNodes.map((option) => [optionName(option), this.#multiNodeDefinition(train, option)]),
    )
    this.definitions = [...Object.values(definitions), ...this.#multiNode.values()]
    this.definitionArns = {
      prepare: definitions.prepare.jobDefinitionArn,
      train: definitions.train.jobDefinitionArn,
      evaluate: definitions.evaluate.jobDefinitionArn,
    }
  }

  /** Of training on several nodes of a capacity option; undefined where it has but one. */
  multiNodeDefinitionArn(option: CapacityOption): string | undefined {
    return this.#multiNode.get(optionName(option))?.jobDefinitionArn
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

  /** The Hub is asked once, when the base model is mirrored. */
  #secrets({ huggingFaceToken }: Secrets): Pick<Container, 'secrets'> {
    if (!huggingFaceToken) return {}
    const secret = Secret.fromSecretNameV2(this, 'HuggingFaceToken', huggingFaceToken)
    return { secrets: { HF_TOKEN: JobSecret.fromSecretsManager(secret) } }
  }

  #definition(container: Container): IJobDefinition {
    const { step } = container
    return new EcsJobDefinition(this, `${step}Definition`, {
      container: this.#container(`${step}Container`, container, []),
      ...ONCE,
    })
  }

  #multiNodeDefinition(train: Container, option: CapacityOption): IJobDefinition {
    const { maxNodes = 1 } = option
    const type: InstanceType = instanceType(option.instanceType)
    const scope = new Construct(this, `${train.step} on nodes of ${optionName(option)}`)
    const container = this.#container('Container', train, efaDevices(type.efaCards ?? 0), scope)
    const definition = new MultiNodeJobDefinition(scope, 'Definition', {
      mainNode: 0,
      instanceType: new Ec2InstanceType(option.instanceType),
      containers: [{ container, startNode: 0, endNode: maxNodes - 1 }],
      ...ONCE,
    })
    // Without an upper end, so that a job may say how many nodes it has; the L2 cannot leave it out.
    const resource = definition.node.defaultChild
    if (!(resource instanceof CfnJobDefinition)) throw new Error('the job definition is none')
    resource.addPropertyOverride('NodeProperties.NodeRangeProperties.0.TargetNodes', ALL_NODES)
    return definition
  }

  #container(
    id: string,
    { step, ...container }: Container,
    devices: readonly Device[],
    scope: Construct = this,
  ) {
    return new EcsEc2ContainerDefinition(scope, id, {
      ...container,
      cpu: 2,
      memory: Size.gibibytes(4),
      ...scratchVolume(),
      ...(ON_CAPACITY.includes(step) && {
        linuxParameters: linuxParameters(scope, `${step}LinuxParameters`, devices),
        ulimits: [...ULIMITS],
      }),
      logging: LogDriver.awsLogs({ logGroup: this.logGroup, streamPrefix: step }),
    })
  }
}

function linuxParameters(scope: Construct, id: string, devices: readonly Device[]): LinuxParameters {
  const parameters = new LinuxParameters(scope, id, { sharedMemorySize: SHARED_MEMORY })
  parameters.addDevices(...devices)
  return parameters
}

/** What a container talks to a network card with EFA through: one for each card. It may read, write and mknod, Batch's default. */
function efaDevices(cards: number): Device[] {
  return Array.from({ length: cards }, (_, card) => {
    const path = `/dev/infiniband/uverbs${card}`
    return { hostPath: path, containerPath: path }
  })
}
