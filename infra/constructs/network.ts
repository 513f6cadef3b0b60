import { Annotations, Fn, RemovalPolicy, Validations } from 'aws-cdk-lib'
import {
  CfnSubnet,
  FlowLogDestination,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpointAwsService,
  IpAddresses,
  type ISecurityGroup,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
  type SubnetConfiguration,
  type SubnetSelection,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { networkCost } from '../../core/network-cost.ts'
import type { TeamNetwork } from '../../core/team-network.ts'

/** The services that a machine and its jobs call, S3 and DynamoDB apart, which have gateways. */
const ENDPOINTS = {
  // The ECS agent.
  Ecs: InterfaceVpcEndpointAwsService.ECS,
  EcsAgent: InterfaceVpcEndpointAwsService.ECS_AGENT,
  EcsTelemetry: InterfaceVpcEndpointAwsService.ECS_TELEMETRY,
  // The trainer's image; its layers come from S3.
  EcrApi: InterfaceVpcEndpointAwsService.ECR,
  EcrDocker: InterfaceVpcEndpointAwsService.ECR_DOCKER,
  // The jobs' logs, and their secrets.
  Logs: InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
  SecretsManager: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
  // What a Spot machine costs.
  Ec2: InterfaceVpcEndpointAwsService.EC2,
} as const

const ADDRESSES = '10.0.0.0/16'
const MOST_ZONES = 6
/** 4,091 addresses: a p5 takes 32. */
const SUBNET_MASK = 20

type Made = Exclude<TeamNetwork, { kind: 'existing' }>

export interface NetworkProps {
  readonly network: TeamNetwork
  readonly logRetentionDays: RetentionDays
}

/** Where machines start. Nothing gets in, whatever the kind; S3 and DynamoDB are reached by gateways, which cost nothing. */
export class Network extends Construct {
  readonly vpc: IVpc
  /** The team's own groups; undefined where each queue makes one. */
  readonly securityGroups: readonly ISecurityGroup[] | undefined
  readonly #subnetType: SubnetType

  constructor(scope: Construct, id: string, { network, logRetentionDays }: NetworkProps) {
    super(scope, id)
    if (network.kind === 'existing') {
      this.#subnetType = SubnetType.PRIVATE_WITH_EGRESS
      this.vpc = this.#existing(network)
      this.securityGroups =
        network.securityGroupIds.length > 0
          ? network.securityGroupIds.map((group) => SecurityGroup.fromSecurityGroupId(this, group, group))
          : undefined
      return
    }
    this.#subnetType = subnetType(network)
    const vpc = this.#make(network)
    if (network.flowLogs) this.#log(vpc, logRetentionDays)
    else acknowledgeNoFlowLogs(vpc)
    this.vpc = vpc
  }

  /** The subnets of all zones, or of one. */
  subnets(zone?: string): SubnetSelection {
    return { subnetType: this.#subnetType, ...(zone && { availabilityZones: [zone] }) }
  }

  /** One subnet, for machines that must be near each other. */
  nearSubnets(): SubnetSelection {
    return { subnets: this.vpc.selectSubnets(this.subnets()).subnets.slice(0, 1) }
  }

  #make(network: Made): Vpc {
    const zones = zonesOf(network)
    const zoneCount = zones.length
    const vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr(ADDRESSES),
      availabilityZones: zones,
      // Each subnet keeps its addresses when zones are added, or the kind is another: they could not be exchanged otherwise.
      reservedAzs: MOST_ZONES - zoneCount,
      subnetConfiguration: subnetTiers(network),
      natGateways: network.kind === 'private' && network.egress === 'nat' ? 1 : 0,
      gatewayEndpoints: {
        S3: { service: GatewayVpcEndpointAwsService.S3 },
        DynamoDb: { service: GatewayVpcEndpointAwsService.DYNAMODB },
      },
      // The default group is used by nothing here; emptying it would take a custom resource.
      restrictDefaultSecurityGroup: false,
    })
    if (Array.isArray(network.zones)) expectNamedZones(vpc)
    const endpoints =
      network.kind === 'private' && network.egress === 'endpoints' ? Object.entries(ENDPOINTS) : []
    if (endpoints.length > 0) this.#addEndpoints(vpc, endpoints)
    const { usdPerMonth, because } = networkCost(network, zoneCount, endpoints.length)
    Annotations.of(this).addInfoV2(
      'roslin:networkCost',
      `The ${network.kind} network costs $${usdPerMonth.toFixed(2)} a month at rest: ${because}.`,
    )
    return vpc
  }

  #addEndpoints(vpc: Vpc, endpoints: readonly (readonly [string, InterfaceVpcEndpointAwsService])[]): void {
    const group = new SecurityGroup(this, 'Endpoints', {
      vpc,
      description: 'The services that machines call',
      allowAllOutbound: false,
    })
    group.addIngressRule(Peer.ipv4(ADDRESSES), Port.tcp(443), 'From the network itself')
    for (const [name, service] of endpoints) {
      vpc.addInterfaceEndpoint(name, {
        service,
        subnets: this.subnets(),
        securityGroups: [group],
        open: false,
      })
    }
  }

  #log(vpc: Vpc, retention: RetentionDays): void {
    const logGroup = new LogGroup(this, 'FlowLogs', { retention, removalPolicy: RemovalPolicy.DESTROY })
    vpc.addFlowLog('FlowLog', { destination: FlowLogDestination.toCloudWatchLogs(logGroup) })
  }

  #existing({ vpcId, subnets }: Extract<TeamNetwork, { kind: 'existing' }>): IVpc {
    // Without an account there is nothing to look up in; which subnets are private, the team knows.
    return Vpc.fromVpcAttributes(this, 'Vpc', {
      vpcId,
      availabilityZones: subnets.map(({ zone }) => zone),
      privateSubnetIds: subnets.map(({ id }) => id),
    })
  }
}

/** cfn-lint warns of a zone by its name; here the team has asked for it. */
function expectNamedZones({ publicSubnets, privateSubnets, isolatedSubnets }: Vpc): void {
  for (const { node } of [...publicSubnets, ...privateSubnets, ...isolatedSubnets]) {
    const subnet = node.defaultChild
    if (!(subnet instanceof CfnSubnet)) throw new Error(`${node.path} is no subnet`)
    subnet.addMetadata('cfn-lint', { config: { ignore_checks: ['W3010'] } })
  }
}

function acknowledgeNoFlowLogs(vpc: Vpc): void {
  Validations.of(vpc).acknowledge({
    id: 'AwsSolutions-VPC7',
    reason:
      'No security group lets anything in. Flow logs are charged by the gigabyte and training reads hundreds of them; network.flowLogs turns them on.',
  })
}

function zonesOf({ zones }: Made): string[] {
  // The construct adds to the list it is given.
  if (Array.isArray(zones)) return [...zones]
  return Array.from({ length: zones }, (_, index) => Fn.select(index, Fn.getAzs()))
}

function subnetType(network: Made): SubnetType {
  if (network.kind === 'public') return SubnetType.PUBLIC
  return network.egress === 'nat' ? SubnetType.PRIVATE_WITH_EGRESS : SubnetType.PRIVATE_ISOLATED
}

/** The public tier has its addresses even where it is not made. */
function subnetTiers(network: Made): SubnetConfiguration[] {
  const type = subnetType(network)
  const needsPublic = type !== SubnetType.PRIVATE_ISOLATED
  return [
    { name: 'Public', subnetType: SubnetType.PUBLIC, cidrMask: SUBNET_MASK, reserved: !needsPublic },
    ...(type === SubnetType.PUBLIC ? [] : [{ name: 'Private', subnetType: type, cidrMask: SUBNET_MASK }]),
  ]
}
