import { INSTANCE_TYPES, type InstanceType } from './instance-types.ts'
import { type CapacityOption, isMultiNode } from './team-capacity.ts'
import { namedZones, type TeamNetwork } from './team-network.ts'

interface Problem {
  readonly path: readonly (string | number)[]
  readonly message: string
}

interface Placed {
  readonly region: string
  readonly capacity: readonly CapacityOption[]
  readonly network: TeamNetwork
}

/** What a team's capacity asks of its network that the network does not have. */
export function placementProblems({ region, capacity, network }: Placed): Problem[] {
  const zones = namedZones(network)
  return [
    ...(zones ?? [])
      .filter((zone) => zone.slice(0, -1) !== region)
      .map((zone) => ({ path: ['network'], message: `${zone} is no availability zone of ${region}` })),
    ...capacity.flatMap((option, index) => [
      ...reservationProblems(option, index, zones),
      ...cardProblems(option, index, network),
    ]),
  ]
}

function reservationProblems(
  { reservation }: CapacityOption,
  index: number,
  zones: readonly string[] | undefined,
): Problem[] {
  if (!reservation || zones?.includes(reservation.zone)) return []
  const has = zones ? `only in ${zones.join(', ')}` : 'in zones that it does not name'
  const message = `the network has subnets ${has}: name ${reservation.zone} in its zones`
  return [{ path: ['capacity', index, 'reservation', 'zone'], message }]
}

/** A machine that starts with several network interfaces gets no public address. */
function cardProblems(option: CapacityOption, index: number, network: TeamNetwork): Problem[] {
  const { efaCards = 0 }: InstanceType = INSTANCE_TYPES[option.instanceType]
  if (network.kind !== 'public' || !isMultiNode(option) || efaCards < 2) return []
  const message = `${option.instanceType} has ${efaCards} network cards, and a machine with more than one gets no public address: set network.kind to private`
  return [{ path: ['capacity', index, 'maxNodes'], message }]
}
