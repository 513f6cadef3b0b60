import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge'
import { SNSClient, SubscribeCommand } from '@aws-sdk/client-sns'
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { beforeAll, describe, expect, it } from 'vitest'
import { EXIT_CODES } from '../../core/exit-codes.ts'
import { EVENT_SOURCE, RUN_STATUS_CHANGE, runStatusChangeSchema } from '../../core/run-events.ts'
import type { RunDetail } from '../../core/run-view.ts'
import { Deployment } from '../support/deployment.ts'
import { eventually } from '../support/processes.ts'
import { Scenarios } from '../support/scenarios.ts'

const deployment = await Deployment.open()
const scenarios = new Scenarios(deployment)
const sqs = new SQSClient({})

const newQueue = async (name: string) => {
  const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: name }))
  return {
    url: QueueUrl,
    arn: `arn:aws:sqs:${deployment.env.AWS_REGION}:${deployment.env.AWS_ACCESS_KEY_ID}:${name}`,
  }
}

/** All that arrives until it is enough. */
const received = async (url: string, isEnough: (bodies: readonly string[]) => boolean) => {
  const bodies: string[] = []
  return eventually('the messages arrive', async () => {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 10 }),
    )
    bodies.push(...Messages.map(({ Body = '' }) => Body))
    return isEnough(bodies) ? bodies : undefined
  })
}

describe('what becomes of a run', () => {
  let run: RunDetail
  let events: string
  let sentences: string

  beforeAll(async () => {
    const bus = await newQueue('run-events')
    const eventBridge = new EventBridgeClient({})
    await eventBridge.send(
      new PutRuleCommand({
        Name: 'test-run-events',
        EventPattern: JSON.stringify({ source: [EVENT_SOURCE] }),
      }),
    )
    await eventBridge.send(
      new PutTargetsCommand({ Rule: 'test-run-events', Targets: [{ Id: 'queue', Arn: bus.arn }] }),
    )
    const topic = await newQueue('run-sentences')
    await new SNSClient({}).send(
      new SubscribeCommand({ TopicArn: deployment.topicArn, Protocol: 'sqs', Endpoint: topic.arn }),
    )
    events = bus.url
    sentences = topic.url
    run = await deployment.ended((await deployment.start(`train:exit=${EXIT_CODES.userError}`)).runId)
  })

  it('is announced on the bus: each entry of its timeline, as the documented schema has it', async () => {
    const own = (bodies: readonly string[]) =>
      bodies
        .map((body) => JSON.parse(body))
        .filter((event) => event['detail-type'] === RUN_STATUS_CHANGE)
        .map((event) => runStatusChangeSchema.parse(event.detail))
        .filter(({ runId }) => runId === run.runId)
    const bodies = await received(events, (soFar) => own(soFar).some(({ status }) => status === 'failed'))
    const bySequence = new Map(own(bodies).map((detail) => [detail.sequence, detail]))
    expect(
      [...bySequence.values()].sort((a, b) => a.sequence - b.sequence).map(({ status }) => status),
    ).toEqual(run.timeline.map(({ status }) => status))
    expect(bySequence.get(run.timeline.length - 1)).toMatchObject({
      team: 'demo',
      recipe: 'stub',
      failure: { class: 'user-error', step: 'train' },
    })
  })

  it("ends in a sentence on the team's topic", async () => {
    const [message = '{}'] = await received(sentences, (soFar) =>
      soFar.some((body) => body.includes(run.runId)),
    )
    expect(JSON.parse(message).Message).toContain(`Run ${run.runId} of stub is failed: `)
  })

  it('is told when most of what it may cost is spent, once', async () => {
    const { runId } = await deployment.start('train:sleep=600@1', { limits: { maxUsd: 0.5 } })
    await deployment.until(runId, 'trains', ({ status }) => status === 'training')
    await deployment.processOf(runId, 'train')
    // In a day it would have cost $2.42.
    for (const _ of [1, 2]) await scenarios.reconcile({ minutesFromNow: 24 * 60 })
    const notice = `Run ${runId} of stub has cost 80 % of the $0.50 it may cost.`
    await received(sentences, (soFar) => soFar.some((body) => body.includes(notice)))
    await deployment.client.cancelRun(runId, true)
    await scenarios.nothingIsLeft(runId)
    const since = await received(sentences, (soFar) =>
      soFar.some((body) => body.includes(`${runId} of stub is cancelled`)),
    )
    expect(since.filter((body) => body.includes(notice))).toEqual([])
  })
})
