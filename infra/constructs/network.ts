import { Validations } from 'aws-cdk-lib'
import { GatewayVpcEndpointAwsService, type IVpc, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2'
import { Construct } from 'constructs'

/** Public subnets, nothing let in, S3 and DynamoDB by gateway endpoints: nothing of it costs anything while idle. */
export class Network extends Construct {
  readonly vpc: IVpc

  constructor(scope: Construct, id: string) {
    super(scope, id)
    const vpc = new Vpc(this, 'Vpc', {
      natGateways: 0,
      subnetConfiguration: [{ name: 'Public', subnetType: SubnetType.PUBLIC }],
      gatewayEndpoints: {
        S3: { service: GatewayVpcEndpointAwsService.S3 },
        DynamoDb: { service: GatewayVpcEndpointAwsService.DYNAMODB },
      },
      // The default group is used by nothing here; emptying it would take a custom resource.
      restrictDefaultSecurityGroup: false,
    })
    Validations.of(vpc).acknowledge({
      id: 'AwsSolutions-VPC7',
      reason:
        'No security group lets anything in. Flow logs are charged by the gigabyte and training reads hundreds of them.',
    })
    this.vpc = vpc
  }
}
