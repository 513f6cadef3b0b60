import { describe, expect, it } from 'vitest'
import { isAllowed, type Request, type Role } from '../../support/iam.ts'
import { deployTwoTeams } from './teams.ts'

const { deployed, own, other } = deployTwoTeams()

const SSE = 's3:x-amz-server-side-encryption'

/** Whether the training job may write an object in a request of these properties. */
const written = (context: Readonly<Record<string, string>>) =>
  isAllowed(
    own.role('JobstrainRole'),
    { action: 's3:PutObject', resource: own.object('runs/01JRUN/metrics.json'), context },
    deployed,
  )

describe("the team's bucket takes an object", () => {
  it('that says nothing of its encryption, and gives it the team’s key', async () => {
    expect(await written({})).toBe(true)
  })

  it('that names the team’s key', async () => {
    const key = { [SSE]: 'aws:kms', [`${SSE}-aws-kms-key-id`]: own.arn('Key') }
    expect(await written(key)).toBe(true)
  })

  it.each([
    ['over HTTP without TLS', { 'aws:SecureTransport': 'false' }],
    ['with S3’s own key', { [SSE]: 'AES256' }],
    ['with another key of KMS', { [SSE]: 'aws:kms', [`${SSE}-aws-kms-key-id`]: other.arn('Key') }],
    ['with a key that the caller keeps', { [`${SSE}-customer-algorithm`]: 'AES256' }],
  ])('but not %s', async (_, context) => {
    expect(await written(context)).toBe(false)
  })
})

describe('a request without TLS', () => {
  const anybody: Role = {
    ...own.role('SchedulesRole'),
    policies: [
      {
        name: 'anything',
        policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] },
      },
    ],
  }

  it.each<Request>([
    { action: 's3:GetObject', resource: own.object('models/dolly/01JRUN/model.safetensors') },
    { action: 'sqs:SendMessage', resource: own.arn('EventsDeadLetters') },
    { action: 'sqs:ReceiveMessage', resource: own.arn('EventsDeadLetters') },
    { action: 'sns:Publish', resource: own.arn('NotificationsTopic') },
  ])('is refused, whoever makes it: $action', async (request) => {
    expect(await isAllowed(anybody, request, deployed)).toBe(true)
    const context = { 'aws:SecureTransport': 'false' }
    expect(await isAllowed(anybody, { ...request, context }, deployed)).toBe(false)
  })
})
