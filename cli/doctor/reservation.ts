import {
  type CapacityReservation,
  type CapacityReservationState,
  DescribeCapacityReservationsCommand,
  type EC2Client,
} from '@aws-sdk/client-ec2'
import type { CapacityOption } from '../../core/team-capacity.ts'
import type { Verdict } from './check.ts'

/** A capacity option whose machines are those of a reservation. */
export type ReservedOption = Pick<CapacityOption, 'instanceType' | 'maxNodes'> & {
  readonly reservation: NonNullable<CapacityOption['reservation']>
}

const NOT_YET: readonly CapacityReservationState[] = [
  'assessing',
  'delayed',
  'payment-pending',
  'pending',
  'scheduled',
]

export async function findReservation(
  ec2: EC2Client,
  { reservation: { id } }: ReservedOption,
): Promise<CapacityReservation | undefined> {
  try {
    const { CapacityReservations = [] } = await ec2.send(
      new DescribeCapacityReservationsCommand({ CapacityReservationIds: [id] }),
    )
    return CapacityReservations[0]
  } catch (error) {
    if ((error as Error).name.startsWith('InvalidCapacityReservationId')) return undefined
    throw error
  }
}

/** @param found undefined where the account has none of that id */
export function reservationVerdict(
  { instanceType, maxNodes = 1, reservation }: ReservedOption,
  found: CapacityReservation | undefined,
): Verdict {
  const { id, kind, zone } = reservation
  if (!found) {
    return {
      ok: false,
      detail: `the account has no ${id} in the team’s region`,
      fix: 'Put the id that the console shows (EC2 → Capacity Reservations) into the team’s file, and deploy.',
    }
  }
  const differences = [
    ['instanceType', instanceType, found.InstanceType],
    ['reservation.zone', zone, found.AvailabilityZone],
    [
      'reservation.kind',
      kind,
      found.ReservationType === 'capacity-block' ? 'capacity-block' : 'capacity-reservation',
    ],
  ].filter(([, ours, theirs]) => ours !== theirs)
  if (differences.length > 0) {
    return {
      ok: false,
      detail: differences
        .map(([field, ours, theirs]) => `${field} is ${ours}, ${id} has ${theirs}`)
        .join('; '),
      fix: 'Correct the team’s file, and deploy: Batch finds no machine otherwise.',
    }
  }
  const { State, StartDate, EndDate, TotalInstanceCount = 0, AvailableInstanceCount = 0 } = found
  if (State && NOT_YET.includes(State)) {
    return { ok: true, detail: `${State}${StartDate ? `, begins at ${StartDate.toISOString()}` : ''}` }
  }
  if (State !== 'active') {
    return {
      ok: false,
      detail: `${id} is ${State}`,
      fix: 'Put another reservation into the team’s file, or take the option out, and deploy.',
    }
  }
  if (TotalInstanceCount < maxNodes) {
    return {
      ok: false,
      detail: `${id} has ${TotalInstanceCount} of the ${maxNodes} machines that maxNodes asks for`,
      fix: 'Enlarge the reservation, or lower maxNodes in the team’s file, and deploy.',
    }
  }
  const until = EndDate ? `, until ${EndDate.toISOString()}` : ''
  return {
    ok: true,
    detail: `active, ${AvailableInstanceCount} of ${TotalInstanceCount} machines are free${until}`,
  }
}
