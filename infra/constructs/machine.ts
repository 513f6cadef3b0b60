import type { Size } from 'aws-cdk-lib'
import {
  BlockDeviceVolume,
  CfnLaunchTemplate,
  EbsDeviceVolumeType,
  type ISecurityGroup,
  LaunchTemplate,
  LaunchTemplateHttpTokens,
} from 'aws-cdk-lib/aws-ec2'
import { Construct } from 'constructs'
import type { CapacityOption } from '../../core/team-capacity.ts'
import { machineUserData } from './scratch.ts'

export interface MachineProps {
  readonly rootVolume: Size
  readonly reservation?: CapacityOption['reservation']
  /** An EFA interface on each of so many network cards. */
  readonly efa?: { readonly cards: number; readonly securityGroups: readonly ISecurityGroup[] } | undefined
}

/** MiB a second; gp3's 125 would make a checkpoint of 24 GB wait for three minutes. $15 a month for as long as the machine is there. */
const ROOT_VOLUME_THROUGHPUT = 500

/** How Batch starts a machine: IMDSv2 alone, encrypted disks, scratch; in a reservation, and with EFA, where it is told to. */
export class Machine extends Construct {
  readonly launchTemplate: LaunchTemplate

  constructor(scope: Construct, id: string, { rootVolume, reservation, efa }: MachineProps) {
    super(scope, id)
    this.launchTemplate = new LaunchTemplate(this, 'LaunchTemplate', {
      httpTokens: LaunchTemplateHttpTokens.REQUIRED,
      // The container is one hop further than the host.
      httpPutResponseHopLimit: 2,
      userData: machineUserData(),
      blockDevices: [
        {
          deviceName: '/dev/xvda',
          volume: BlockDeviceVolume.ebs(rootVolume.toGibibytes(), {
            volumeType: EbsDeviceVolumeType.GP3,
            throughput: ROOT_VOLUME_THROUGHPUT,
            encrypted: true,
          }),
        },
      ],
    })
    const resource = this.launchTemplate.node.defaultChild
    if (!(resource instanceof CfnLaunchTemplate)) throw new Error('the launch template is none')
    const set = (path: string, value: unknown) =>
      resource.addPropertyOverride(`LaunchTemplateData.${path}`, value)
    if (reservation) {
      set('CapacityReservationSpecification.CapacityReservationTarget', {
        CapacityReservationId: reservation.id,
      })
      // Batch's guide has the market among what it ignores; for a block it does not: AWS HPC Blog, "How to use
      // Capacity Blocks for ML with AWS Batch".
      if (reservation.kind === 'capacity-block') set('InstanceMarketOptions.MarketType', 'capacity-block')
    }
    if (efa && efa.cards > 0) {
      // Source: EC2 user guide, EFA on instances with several network cards.
      set(
        'NetworkInterfaces',
        Array.from({ length: efa.cards }, (_, card) => ({
          NetworkCardIndex: card,
          DeviceIndex: card === 0 ? 0 : 1,
          InterfaceType: 'efa',
          Groups: efa.securityGroups.map(({ securityGroupId }) => securityGroupId),
          DeleteOnTermination: true,
        })),
      )
    }
  }
}
