import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CapacityReservation, EC2Client } from '@aws-sdk/client-ec2'
import { SSMClient } from '@aws-sdk/client-ssm'
import { describe, expect, it } from 'vitest'
import { bootstrapVerdict, skewVerdict } from '../../cli/doctor/account.ts'
import { quotaNeeds, quotaVerdict } from '../../cli/doctor/capacity.ts'
import type { Check } from '../../cli/doctor/check.ts'
import { parseEcrImage, versionVerdict } from '../../cli/doctor/deployment.ts'
import { imageVerdict, parameterVerdict } from '../../cli/doctor/machine-image.ts'
import { findReservation, type ReservedOption, reservationVerdict } from '../../cli/doctor/reservation.ts'
import { execute } from '../support/spawned.ts'

describe('the doctor', () => {
  it.each([
    [0, true],
    [59, true],
    [-300, false],
    [3600, false],
  ])('of a clock that is %d s ahead says ok: %s', (seconds, ok) => {
    const date = 'Tue, 24 Nov 2026 10:00:00 GMT'
    expect(skewVerdict(date, new Date(Date.parse(date) + seconds * 1000))).toMatchObject({ ok })
  })

  it.each([
    [undefined, false],
    [5, false],
    [21, true],
  ])('of a CDK bootstrap of version %s says ok: %s', (version, ok) => {
    expect(bootstrapVerdict(version)).toMatchObject({
      ok,
      ...(!ok && { fix: expect.stringContaining('cdk bootstrap') }),
    })
  })

  it('asks for each quota once, with the largest machine that counts in it', () => {
    const needs = quotaNeeds([
      { instanceType: 'g5.xlarge', purchase: 'on-demand' },
      { instanceType: 'g5.48xlarge', purchase: 'on-demand' },
      { instanceType: 'p4d.24xlarge', purchase: 'spot' },
    ])
    expect(needs.map(({ quota, instanceType, vcpus }) => [quota.code, instanceType, vcpus])).toEqual([
      ['L-DB2E81BA', 'g5.48xlarge', 192],
      ['L-7212CCBC', 'p4d.24xlarge', 96],
    ])
  })

  it('names the page where too small a quota is raised', () => {
    const [together] = quotaNeeds([{ instanceType: 'p4d.24xlarge', purchase: 'on-demand', maxNodes: 4 }])
    expect(together && quotaVerdict(together, 383, 'us-east-1')).toMatchObject({
      ok: false,
      detail: '383 vCPUs, 4 × p4d.24xlarge take 384',
    })
    const [need] = quotaNeeds([{ instanceType: 'p4d.24xlarge', purchase: 'on-demand' }])
    if (!need) throw new Error('no quota')
    expect(quotaVerdict(need, 96, 'us-east-1')).toEqual({
      ok: true,
      detail: '96 vCPUs, one p4d.24xlarge takes 96',
    })
    expect(quotaVerdict(need, 0, 'us-east-1')).toMatchObject({
      ok: false,
      fix: expect.stringMatching(/Ask for 96 or more: https:.*quotas\/L-417A185B/),
    })
  })

  const reserved: ReservedOption = {
    instanceType: 'p5.48xlarge',
    maxNodes: 2,
    reservation: { id: 'cr-0123456789abcdef0', kind: 'capacity-block', zone: 'us-east-1a' },
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

  it.each<[string, boolean, string, Partial<CapacityReservation>]>([
    ['that is there', true, 'active, 1 of 2 machines are free, until 2026-12-03T11:30:00.000Z', {}],
    ['that is to come', true, 'scheduled, begins at 2026-12-01T11:30:00.000Z', { State: 'scheduled' }],
    ['that is over', false, 'cr-0123456789abcdef0 is expired', { State: 'expired' }],
    ['of too few machines', false, 'is of 1 machines, maxNodes is 2', { TotalInstanceCount: 1 }],
    ['of another type', false, 'instanceType is p5.48xlarge, cr-', { InstanceType: 'p5en.48xlarge' }],
    ['elsewhere', false, 'reservation.zone is us-east-1a, cr-', { AvailabilityZone: 'us-east-1b' }],
    [
      'of another kind',
      false,
      'cr-0123456789abcdef0 has capacity-reservation',
      { ReservationType: 'default' },
    ],
  ])('of a reservation %s says ok: %s', (_, ok, detail, found) => {
    expect(reservationVerdict(reserved, { ...block, ...found })).toMatchObject({
      ok,
      detail: expect.stringContaining(detail),
      ...(!ok && { fix: expect.any(String) }),
    })
  })

  it.each([
    ['0.1.0', '0.1.0+4f2a9c1', true],
    ['0.2.0', '0.1.0+4f2a9c1', false],
  ])('of this version %s and the deployed %s says ok: %s', (cli, deployed, ok) => {
    expect(versionVerdict(cli, deployed, 'speech')).toMatchObject({ ok })
  })

  it('knows an image of ECR by tag and by digest, and leaves others alone', () => {
    const at = '123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/trainer'
    expect(parseEcrImage(`${at}:7`)).toEqual({
      account: '123456789012',
      region: 'eu-west-1',
      repository: 'team/trainer',
      id: { imageTag: '7' },
    })
    expect(parseEcrImage(`${at}@sha256:abc`)?.id).toEqual({ imageDigest: 'sha256:abc' })
    expect(parseEcrImage('roslin/trainer:embedded')).toBeUndefined()
  })

  it('tells a reservation, an image and a parameter that are not there from what it may not see', async () => {
    const refusals = [
      'InvalidCapacityReservationId.NotFound',
      'InvalidAMIID.NotFound',
      'InvalidAMIID.Unavailable',
      'UnauthorizedOperation',
    ]
    const ec2Server = await listening(400, 'text/xml', () => {
      return `<Response><Errors><Error><Code>${refusals.shift()}</Code><Message>No.</Message></Error></Errors></Response>`
    })
    const ssmServer = await listening(400, 'application/x-amz-json-1.1', () =>
      JSON.stringify({ __type: 'ParameterNotFound', message: 'No.' }),
    )
    const client = (endpoint: string) => ({
      endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
    })
    const ec2 = new EC2Client(client(ec2Server.url))
    const ssm = new SSMClient(client(ssmServer.url))
    try {
      expect(reservationVerdict(reserved, await findReservation(ec2, reserved))).toMatchObject({
        ok: false,
        detail: 'the account has no cr-0123456789abcdef0 in the team’s region',
      })
      const image = () => imageVerdict(ec2, 'ami-0123456789abcdef0', 'us-east-1')
      const missing = { ok: false, detail: 'there is no ami-0123456789abcdef0 in us-east-1' }
      expect(await image()).toMatchObject(missing)
      expect(await image()).toMatchObject(missing)
      await expect(image()).rejects.toThrow(expect.objectContaining({ name: 'UnauthorizedOperation' }))
      expect(await parameterVerdict({ ssm, ec2 }, '/team/image', 'us-east-1')).toMatchObject({
        ok: false,
        detail: 'there is no parameter /team/image in us-east-1',
      })
    } finally {
      ec2Server.close()
      ssmServer.close()
    }
  })

  it('says what it may not see, and goes on', async () => {
    const denying = await listening(403, 'application/json', () =>
      JSON.stringify({ __type: 'AccessDeniedException', message: 'You may not.' }),
    )
    const { stdout, code } = await execute(
      process.execPath,
      ['cli/main.ts', 'doctor', '--team', 'example', '--json'],
      {
        ROSLIN_STATE_DIR: join(tmpdir(), 'roslin-no-embedded'),
        AWS_ENDPOINT_URL: denying.url,
        AWS_ACCESS_KEY_ID: 'x',
        AWS_SECRET_ACCESS_KEY: 'x',
        AWS_EC2_METADATA_DISABLED: 'true',
      },
    ).finally(() => denying.close())
    const checks: Check[] = JSON.parse(stdout)
    const unknown = checks.filter(({ ok }) => ok === null).map(({ check }) => check)
    expect(unknown).toEqual(
      expect.arrayContaining(['CDK bootstrap', 'trainer image', expect.stringMatching(/^quota: /)]),
    )
    expect(checks.find(({ check }) => check === 'clock')).toMatchObject({ ok: true })
    expect(checks.find(({ check }) => check === 'credentials')).toMatchObject({
      ok: false,
      fix: expect.any(String),
    })
    expect(code).toBe(1)
  })
})

/** What AWS answers where it refuses: nothing here has reservations or these images. */
async function listening(status: number, contentType: string, body: () => string) {
  const server = createServer((_, response) => {
    response.writeHead(status, { 'content-type': contentType })
    response.end(body())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() }
}
