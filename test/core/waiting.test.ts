import { describe, expect, it } from 'vitest'
import { explainWaiting, type WaitingJob } from '../../core/waiting.ts'

const job: WaitingJob = {
  region: 'us-east-1',
  jobStatus: 'RUNNABLE',
  instanceType: 'p4d.24xlarge',
  purchase: 'spot',
  nodes: 1,
  since: '2026-11-24T10:00:00.000Z',
  waitMinutes: 15,
  nextOption: 'p3dn.24xlarge on-demand',
}
const because = (known: Partial<WaitingJob>) => explainWaiting({ ...job, ...known }).because

describe('why a run waits', () => {
  it.each([
    [{ position: 3 }, 'It is number 3 in the queue of p4d.24xlarge spot.'],
    [
      { position: 1 },
      'It is the next in the queue of p4d.24xlarge spot; a machine takes some minutes to come.',
    ],
    [{}, 'Its job waits in the queue of p4d.24xlarge spot.'],
    [{ jobStatus: 'STARTING' as const }, 'Its p4d.24xlarge spot is there, and fetches the image.'],
    [
      { statusReason: 'CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - The job cannot run, there is no capacity.' },
      'AWS has no p4d.24xlarge spot free right now.',
    ],
    [
      { nodes: 4, position: 1 },
      'It is the next in the queue of 4 × p4d.24xlarge spot; a machine takes some minutes to come.',
    ],
    [
      { nodes: 4, statusReason: 'MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) cannot meet it.' },
      'The job needs more than its compute environment may have: raise maxVcpus in the team file to at least 384, and deploy.',
    ],
    [{ statusReason: 'something new' }, 'Batch says: something new'],
  ])('%j: %s', (known, sentence) => {
    expect(because(known)).toBe(sentence)
  })

  it('names what to raise where the compute environment is too small', () => {
    const statusReason = 'MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - too small'
    expect(because({ statusReason })).toContain('raise maxVcpus in the team file to at least 96')
  })

  it("names what to ask less of where no machine has the job's wishes", () => {
    const statusReason = 'MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too much'
    expect(because({ statusReason })).toContain('more than one p4d.24xlarge has')
  })

  it('gives the reason of any other misconfiguration in full', () => {
    const statusReason = 'MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS - the role may not'
    expect(because({ statusReason })).toContain(statusReason)
  })

  it.each([
    [
      'by EC2’s words',
      { statusReason: 'You have requested more vCPU capacity than your current vCPU limit' },
    ],
    ['by the quota itself', { quotaVcpus: 64 }],
  ])('names the quota that is reached, known %s, and where to raise it', (_, known) => {
    const sentence = because(known)
    expect(sentence).toContain(
      'one p4d.24xlarge needs 96 of "All P4, P3 and P2 Spot Instance Requests" (L-7212CCBC',
    )
    expect(sentence).toContain(
      'https://us-east-1.console.aws.amazon.com/servicequotas/home/services/ec2/quotas/L-7212CCBC',
    )
  })

  it('does not blame a quota that is large enough', () => {
    expect(because({ quotaVcpus: 96, position: 1 })).toContain('next in the queue')
  })

  it('promises nothing for Prepare, which waits as long as it takes', () => {
    const {
      waitMinutes: _,
      nextOption: __,
      ...prepare
    } = { ...job, instanceType: 'm7i', purchase: 'on-demand' }
    expect(explainWaiting({ ...prepare, position: 2 })).toEqual({
      because: 'It is number 2 in the queue of m7i on-demand.',
      next: expect.stringContaining('roslin runs cancel'),
      nextAt: null,
    })
  })

  it('says what comes next, and when', () => {
    expect(explainWaiting(job)).toMatchObject({
      next: 'If none has come by 2026-11-24 10:15 UTC, it goes on with p3dn.24xlarge on-demand.',
      nextAt: '2026-11-24T10:15:00.000Z',
    })
    const { nextOption: _, ...last } = job
    expect(explainWaiting(last).next).toContain('the run fails: this is its last capacity option')
  })
})
