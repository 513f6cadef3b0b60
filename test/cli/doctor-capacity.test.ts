import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { CapacityReservation } from '@aws-sdk/client-ec2'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { capacityChecks } from '../../cli/doctor/capacity.ts'
import { type ReservedOption, reservationVerdict } from '../../cli/doctor/reservation.ts'
import { parseTeam } from '../../core/team.ts'
import { checkedInTeam } from '../support/checked-in.ts'

const AMI = 'ami-0123456789abcdef0'
const RESERVATION = 'cr-0123456789abcdef0'

/** What EC2 and SSM answer of one image and one reservation: nothing here has such. All else is denied. */
const server = createServer(async (request, response) => {
  const body = await text(request)
  const form = new URLSearchParams(body)
  const answer = (status: number, contentType: string, content: string) =>
    response.writeHead(status, { 'content-type': contentType }).end(content)
  const json = (status: number, content: object) =>
    answer(status, 'application/x-amz-json-1.1', JSON.stringify(content))
  const refusal = (code: string) =>
    answer(
      400,
      'text/xml',
      `<Response><Errors><Error><Code>${code}</Code><Message>No.</Message></Error></Errors></Response>`,
    )
  if (request.headers['x-amz-target'] === 'AmazonSSM.GetParameter') {
    const { Name } = JSON.parse(body)
    if (Name === '/forbidden') json(400, { __type: 'AccessDeniedException', message: 'You may not.' })
    else if (Name === '/team/image') json(200, { Parameter: { Name, Value: AMI } })
    else json(400, { __type: 'ParameterNotFound' })
  } else if (form.get('Action') === 'DescribeImages') {
    if (form.get('ImageId.1') !== AMI) return refusal('InvalidAMIID.NotFound')
    const item = `<imageId>${AMI}</imageId><name>roslin-7</name><imageState>available</imageState>`
    answer(200, 'text/xml', `<r><imagesSet><item>${item}</item></imagesSet></r>`)
  } else if (form.get('Action') === 'DescribeCapacityReservations') {
    if (form.get('CapacityReservationId.1') !== RESERVATION) {
      return refusal('InvalidCapacityReservationId.NotFound')
    }
    const item =
      '<instanceType>p5.48xlarge</instanceType><availabilityZone>us-east-1a</availabilityZone><state>active</state>' +
      '<reservationType>default</reservationType><totalInstanceCount>3</totalInstanceCount><availableInstanceCount>2</availableInstanceCount>'
    answer(200, 'text/xml', `<r><capacityReservationSet><item>${item}</item></capacityReservationSet></r>`)
  } else json(400, { __type: 'AccessDeniedException', message: 'You may not.' })
})
await once(server.listen(0, '127.0.0.1'), 'listening')
const { port } = server.address() as AddressInfo
vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${port}`)
vi.stubEnv('AWS_ACCESS_KEY_ID', 'x')
vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'x')
afterAll(() => {
  vi.unstubAllEnvs()
  server.close()
})

/** The checks beside those of quotas. */
async function checksOf(...capacity: object[]) {
  const team = parseTeam({
    ...checkedInTeam('example'),
    capacity,
    network: { kind: 'public', zones: ['us-east-1a'] },
  })
  const checks = await capacityChecks(team)
  return checks.filter(({ check }) => !check.startsWith('quota: '))
}

const p3dn = { instanceType: 'p3dn.24xlarge' }
const reservedFrom = (id: string) => ({
  instanceType: 'p5.48xlarge',
  purchase: 'reserved',
  reservation: { id, zone: 'us-east-1a' },
})

describe('the doctor, of a machine image', () => {
  it('finds it by its id, once for all options that have it', async () => {
    expect(await checksOf({ ...p3dn, amiId: AMI, purchase: 'spot' }, { ...p3dn, amiId: AMI })).toEqual([
      { check: 'machine image of p3dn.24xlarge', ok: true, detail: `${AMI} roslin-7` },
    ])
  })

  it('finds it by the parameter that holds its id', async () => {
    expect(await checksOf({ ...p3dn, amiParameter: '/team/image' })).toEqual([
      { check: 'machine image of p3dn.24xlarge', ok: true, detail: `/team/image: ${AMI} roslin-7` },
    ])
  })

  it.each([
    ['ami-0fedcba9876543210 is not there', { amiId: 'ami-0fedcba9876543210' }],
    ['/other is not there', { amiParameter: '/other' }],
  ])('says that %s, and what to do', async (_, image) => {
    const [name] = Object.values(image)
    expect(await checksOf({ ...p3dn, ...image })).toMatchObject([
      {
        ok: false,
        detail: expect.stringMatching(`there is no .*${name} in us-east-1`),
        fix: expect.any(String),
      },
    ])
  })

  it('says of what it may not read that nobody knows', async () => {
    expect(await checksOf({ ...p3dn, amiParameter: '/forbidden' })).toMatchObject([
      { ok: null, detail: expect.stringContaining('AccessDeniedException') },
    ])
  })
})

describe('the doctor, of a reservation', () => {
  it('finds it', async () => {
    expect(await checksOf(reservedFrom(RESERVATION))).toEqual([
      { check: `reservation ${RESERVATION}`, ok: true, detail: 'active, 2 of 3 machines are free' },
    ])
  })

  it('says that it is not there, and what to do', async () => {
    expect(await checksOf(reservedFrom('cr-0fedcba9876543210'))).toMatchObject([
      { ok: false, detail: expect.stringContaining('no cr-0fedcba9876543210'), fix: expect.any(String) },
    ])
  })

  const option: ReservedOption = {
    instanceType: 'p5.48xlarge',
    maxNodes: 2,
    reservation: { id: RESERVATION, kind: 'capacity-block', zone: 'us-east-1a' },
  }
  const block: CapacityReservation = {
    InstanceType: 'p5.48xlarge',
    AvailabilityZone: 'us-east-1a',
    ReservationType: 'capacity-block',
    State: 'active',
    TotalInstanceCount: 2,
    AvailableInstanceCount: 1,
    StartDate: new Date('2026-12-01T11:30:00Z'),
    EndDate: new Date('2026-12-03T11:30:00Z'),
  }

  it.each<[string, Partial<CapacityReservation>, string]>([
    ['is there', {}, 'active, 1 of 2 machines are free, until 2026-12-03T11:30:00.000Z'],
    ['is to come', { State: 'scheduled' }, 'scheduled, begins at 2026-12-01T11:30:00.000Z'],
  ])('is content with one that %s', (_, found, detail) => {
    expect(reservationVerdict(option, { ...block, ...found })).toEqual({ ok: true, detail })
  })

  it.each<[string, Partial<CapacityReservation>, string]>([
    ['is over', { State: 'expired' }, `${RESERVATION} is expired`],
    [
      'is too small',
      { TotalInstanceCount: 1 },
      `${RESERVATION} has 1 of the 2 machines that maxNodes asks for`,
    ],
    [
      'is of another type',
      { InstanceType: 'p5en.48xlarge' },
      `instanceType is p5.48xlarge, ${RESERVATION} has p5en.48xlarge`,
    ],
    [
      'is elsewhere',
      { AvailabilityZone: 'us-east-1b' },
      `reservation.zone is us-east-1a, ${RESERVATION} has us-east-1b`,
    ],
    [
      'is of another kind',
      { ReservationType: 'default' },
      `reservation.kind is capacity-block, ${RESERVATION} has capacity-reservation`,
    ],
  ])('names what is wrong with one that %s, and what to do', (_, found, detail) => {
    expect(reservationVerdict(option, { ...block, ...found })).toEqual({
      ok: false,
      detail,
      fix: expect.any(String),
    })
  })
})
