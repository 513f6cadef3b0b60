import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { bootstrapVerdict, skewVerdict } from '../../cli/doctor/account.ts'
import { quotaNeeds, quotaVerdict } from '../../cli/doctor/capacity.ts'
import type { Check } from '../../cli/doctor/check.ts'
import { parseEcrImage, versionVerdict } from '../../cli/doctor/deployment.ts'
import { startRoslin } from '../support/spawned.ts'

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

  it.each([
    ['0.1.0', '0.1.0+4f2a9c1', true],
    ['0.2.0', '0.1.0+4f2a9c1', false],
  ])('of this version %s and the deployed %s says ok: %s', (cli, deployed, ok) => {
    expect(versionVerdict(cli, deployed, 'npx roslin up')).toMatchObject({
      ok,
      ...(!ok && { fix: expect.stringContaining('npx roslin up') }),
    })
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

  it('says what it may not see, and goes on', async () => {
    const denying = createServer((_, response) => {
      response.writeHead(403, {
        'content-type': 'application/json',
        'x-amzn-errortype': 'AccessDeniedException',
      })
      response.end(JSON.stringify({ __type: 'AccessDeniedException', message: 'You may not.' }))
    })
    await once(denying.listen(0, '127.0.0.1'), 'listening')
    const { port } = denying.address() as AddressInfo
    const { stdout, code } = await startRoslin(['doctor', '--team', 'example', '--json'], {
      ROSLIN_STATE_DIR: join(tmpdir(), 'roslin-no-embedded'),
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_ACCESS_KEY_ID: 'x',
      AWS_SECRET_ACCESS_KEY: 'x',
      AWS_EC2_METADATA_DISABLED: 'true',
    }).ended.finally(() => denying.close())
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
