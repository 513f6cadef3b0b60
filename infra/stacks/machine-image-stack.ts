import { CfnOutput, Stack, type StackProps, Validations } from 'aws-cdk-lib'
import { SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import {
  type IManagedPolicy,
  InstanceProfile,
  ManagedPolicy,
  Role,
  ServicePrincipal,
} from 'aws-cdk-lib/aws-iam'
import {
  CfnDistributionConfiguration,
  CfnImagePipeline,
  CfnInfrastructureConfiguration,
  CfnLifecyclePolicy,
} from 'aws-cdk-lib/aws-imagebuilder'
import type { Construct } from 'constructs'
import type { Team } from '../../core/team.ts'
import { type MachineImageSettings, machineImageParameter } from '../../core/team-machine-image.ts'
import { ImageRecipe } from '../constructs/image-recipe.ts'
import { Network } from '../constructs/network.ts'

export interface MachineImageStackProps extends StackProps {
  readonly team: Team
  readonly settings: MachineImageSettings
}

/** Sunday, 04:00 UTC. */
const WEEKLY = 'cron(0 4 ? * sun *)'
const KEPT_IMAGES = 4
const KEPT_MONTHS_AFTER_LAUNCH = 6

const imagesOf = ({ name }: Team) => ({ 'roslin:team': name })

/** A pipeline that makes the team's machine image each week, tests it on a GPU, and promotes it by an SSM parameter. */
export class MachineImageStack extends Stack {
  constructor(scope: Construct, id: string, { team, settings, ...props }: MachineImageStackProps) {
    super(scope, id, props)
    const name = `roslin-${team.name}`
    const recipe = new ImageRecipe(this, 'Image', { team: team.name, settings })
    const pipeline = new CfnImagePipeline(this, 'Pipeline', {
      name,
      imageRecipeArn: recipe.arn,
      infrastructureConfigurationArn: this.#infrastructure(name, team, settings),
      distributionConfigurationArn: this.#distribution(name, team),
      schedule: {
        scheduleExpression: WEEKLY,
        pipelineExecutionStartCondition: 'EXPRESSION_MATCH_ONLY',
      },
      // An image that fails its tests is not distributed, and so never promoted.
      imageTestsConfiguration: { imageTestsEnabled: true, timeoutMinutes: 60 },
      status: 'ENABLED',
      // By which the lifecycle policy finds images: those of the pipeline's schedule alone are given them.
      imageTags: imagesOf(team),
    })
    this.#expire(name, team)
    new CfnOutput(this, 'PipelineArn', { value: pipeline.attrArn })
    new CfnOutput(this, 'ParameterName', { value: machineImageParameter(team.name) })
  }

  /** Where images are built: a machine that nothing gets into. What it installs comes from the internet. */
  #infrastructure(
    name: string,
    { network: teamNetwork, logRetentionDays }: Team,
    settings: MachineImageSettings,
  ) {
    const network = new Network(this, 'Network', {
      network: teamNetwork.kind === 'existing' ? teamNetwork : { kind: 'public', zones: 2, flowLogs: false },
      logRetentionDays,
    })
    const { vpc } = network
    const group = new SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'Builds machine images; lets nothing in',
    })
    const role = this.#role('InstanceRole', 'ec2.amazonaws.com', [
      'EC2InstanceProfileForImageBuilder',
      'AmazonSSMManagedInstanceCore',
    ])
    const infrastructure = new CfnInfrastructureConfiguration(this, 'Infrastructure', {
      name,
      instanceProfileName: new InstanceProfile(this, 'InstanceProfile', { role }).instanceProfileName,
      instanceTypes: [settings.buildInstanceType],
      instanceMetadataOptions: { httpTokens: 'required', httpPutResponseHopLimit: 2 },
      securityGroupIds: [group.securityGroupId],
      subnetId: vpc.selectSubnets(network.nearSubnets()).subnetIds[0] ?? '',
      terminateInstanceOnFailure: true,
    })
    return infrastructure.attrArn
  }

  #distribution(name: string, { name: team, region }: Team): string {
    const distribution = new CfnDistributionConfiguration(this, 'Distribution', {
      name,
      distributions: [
        {
          region,
          amiDistributionConfiguration: {
            Name: `${name}-{{ imagebuilder:buildDate }}`,
            AmiTags: { 'roslin:team': team },
          },
          ssmParameterConfigurations: [
            { parameterName: machineImageParameter(team), dataType: 'aws:ec2:image' },
          ],
        },
      ],
    })
    return distribution.attrArn
  }

  /** A snapshot of 60 GB costs up to $3 a month. */
  #expire(name: string, team: Team): void {
    const role = this.#role('LifecycleRole', 'imagebuilder.amazonaws.com', [
      'service-role/EC2ImageBuilderLifecycleExecutionPolicy',
    ])
    new CfnLifecyclePolicy(this, 'Lifecycle', {
      name,
      executionRole: role.roleArn,
      resourceType: 'AMI_IMAGE',
      status: 'ENABLED',
      policyDetails: [
        {
          action: { type: 'DELETE', includeResources: { amis: true, snapshots: true } },
          filter: { type: 'COUNT', value: KEPT_IMAGES },
          // Capacity takes the newest at its deployment, and starts that one until the next.
          exclusionRules: { amis: { lastLaunched: { value: KEPT_MONTHS_AFTER_LAUNCH, unit: 'MONTHS' } } },
        },
      ],
      resourceSelection: { tagMap: imagesOf(team) },
    })
  }

  #role(id: string, service: string, policies: readonly string[]): Role {
    const managed: IManagedPolicy[] = policies.map((policy) => ManagedPolicy.fromAwsManagedPolicyName(policy))
    const role = new Role(this, id, { assumedBy: new ServicePrincipal(service), managedPolicies: managed })
    for (const policy of policies) {
      Validations.of(role).acknowledge({
        id: `AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/${policy}]`,
        reason:
          'What Image Builder needs of this role, as AWS keeps it; nothing of the team’s data is in it.',
      })
    }
    return role
  }
}
