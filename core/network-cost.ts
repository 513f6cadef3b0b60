import type { TeamNetwork } from './team-network.ts'

export const HOURS_A_MONTH = 730

/** USD an hour in us-east-1, by Amazon VPC's and AWS PrivateLink's price pages; remembered, not looked up. Other regions differ little. */
export const NAT_GATEWAY_USD_PER_HOUR = 0.045
const NAT_USD_PER_GB = 0.045
export const ENDPOINT_USD_PER_HOUR = 0.01
const ENDPOINT_USD_PER_GB = 0.01
export const PUBLIC_ADDRESS_USD_PER_HOUR = 0.005

export interface NetworkCost {
  /** Whether anything runs or not. */
  readonly usdPerMonth: number
  readonly because: string
}

/**
 * @param zones how many the network has
 * @param endpoints the interface endpoints in each of them
 */
export function networkCost(network: TeamNetwork, zones: number, endpoints: number): NetworkCost {
  if (network.kind !== 'private') {
    return { usdPerMonth: 0, because: 'neither NAT gateway nor interface endpoints of this deployment' }
  }
  if (network.egress === 'nat') {
    return {
      usdPerMonth: (NAT_GATEWAY_USD_PER_HOUR + PUBLIC_ADDRESS_USD_PER_HOUR) * HOURS_A_MONTH,
      because: `one NAT gateway at $${NAT_GATEWAY_USD_PER_HOUR} an hour and its address at $${PUBLIC_ADDRESS_USD_PER_HOUR}, and $${NAT_USD_PER_GB} a gigabyte; S3 does not go through it`,
    }
  }
  return {
    usdPerMonth: endpoints * zones * ENDPOINT_USD_PER_HOUR * HOURS_A_MONTH,
    because: `${endpoints} interface endpoints in ${zones} zones at $${ENDPOINT_USD_PER_HOUR} an hour each, and $${ENDPOINT_USD_PER_GB} a gigabyte; S3 does not go through them`,
  }
}
