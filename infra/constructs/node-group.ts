import {
  CfnSecurityGroupEgress,
  type IPlacementGroup,
  type ISecurityGroup,
  type IVpc,
  PlacementGroup,
  PlacementGroupStrategy,
  Port,
  SecurityGroup,
} from 'aws-cdk-lib/aws-ec2'
import { Construct } from 'constructs'

export interface NodeGroupProps {
  readonly vpc: IVpc
  /** Network cards with EFA, or none. */
  readonly efaCards: number
}

/** What machines need that work on one job: close to each other, and open to each other alone. */
export class NodeGroup extends Construct {
  readonly placementGroup: IPlacementGroup
  readonly securityGroup: ISecurityGroup
  readonly efaCards: number

  constructor(scope: Construct, id: string, { vpc, efaCards }: NodeGroupProps) {
    super(scope, id)
    this.efaCards = efaCards
    this.placementGroup = new PlacementGroup(this, 'PlacementGroup', {
      strategy: PlacementGroupStrategy.CLUSTER,
    })
    const group = new SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'Machines that work on one job together',
    })
    group.addIngressRule(group, Port.allTraffic(), 'From each other')
    // EFA's traffic is no IP: leave to all addresses does not cover it.
    new CfnSecurityGroupEgress(this, 'ToEachOther', {
      groupId: group.securityGroupId,
      ipProtocol: '-1',
      destinationSecurityGroupId: group.securityGroupId,
      description: 'To each other',
    })
    this.securityGroup = group
  }
}
