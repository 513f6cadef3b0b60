import {
  CloudFormationClient,
  GetTemplateCommand,
  UpdateStackCommand,
  waitUntilStackUpdateComplete,
} from '@aws-sdk/client-cloudformation'
import { DescribeExecutionCommand, UpdateStateMachineAliasCommand } from '@aws-sdk/client-sfn'
import { BatchWriteCommand } from '@aws-sdk/lib-dynamodb'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { RunDetail } from '../../core/run-view.ts'
import type { Item } from '../../core/store/schema-versions.ts'
import type { Deployment } from '../support/deployment.ts'
import { OwnEmulator } from '../support/own-emulator.ts'
import { fixtureItems } from '../support/stored-items.ts'

const own = new OwnEmulator('upgrades')
let deployment: Deployment
let cloudFormation: CloudFormationClient

beforeAll(async () => {
  deployment = await own.start()
  cloudFormation = new CloudFormationClient({})
})

afterAll(() => own.remove())

describe('what an earlier version has stored', () => {
  /** Of another team, so that no list of this one has it. */
  const old = fixtureItems('release-0.1.0')
  const oldRunId = '01K5A1B2C3D4E5F6G7H8J9K0M1'
  const put = (items: readonly Item[]) =>
    deployment.dynamo.send(
      new BatchWriteCommand({
        RequestItems: { [deployment.tableName]: items.map((Item) => ({ PutRequest: { Item } })) },
      }),
    )

  it('is refused where a later version has stored it, with what to do', async () => {
    await put(old.map((item) => ({ ...item, schemaVersion: 99 })))
    await expect(deployment.client.getRun(oldRunId)).rejects.toMatchObject({
      code: 'SCHEMA_TOO_NEW',
      nextStep: expect.stringContaining('Deploy the newer version'),
    })
  })

  it('is there: a run of release 0.1.0, with its recipe and what it cost', async () => {
    await put(old)
    const run = await deployment.client.getRun(oldRunId)
    expect(run).toMatchObject({
      status: 'succeeded',
      recipe: { name: 'dolly-mini' },
      attempts: [{ step: 'train' }],
    })
    expect(run.costUsd).toBeCloseTo(1.4)
  })
})

describe('a new version of the flow', () => {
  const StackName = 'Roslin-demo-ControlPlane'
  const versionOf = async ({ runId }: RunDetail) => {
    const executionArn = deployment.executionArn(runId)
    const { stateMachineVersionArn = '' } = await deployment.sfn.send(
      new DescribeExecutionCommand({ executionArn }),
    )
    return stateMachineVersionArn
  }

  /** A release whose Register cannot even start, deployed over the one that is there. */
  async function deployBroken(): Promise<void> {
    const { TemplateBody = '' } = await cloudFormation.send(new GetTemplateCommand({ StackName }))
    const named = (pattern: RegExp) => pattern.exec(TemplateBody)?.[0] ?? `${pattern}`
    const template = JSON.parse(
      [named(/FlowRegisterCurrentVersion\w+/), named(/FlowVersion\w+/)].reduce(
        (text, id) => text.replaceAll(id, `${id}Next`),
        TemplateBody,
      ),
    )
    template.Resources[named(/FlowRegister[0-9A-F]{8}/)].Properties.Handler = 'index.gone'
    await deployment.put('test/broken.json', JSON.stringify(template))
    await cloudFormation.send(
      new UpdateStackCommand({
        StackName,
        TemplateURL: `https://s3.${inject('embedded').region}.amazonaws.com/${deployment.bucket}/test/broken.json`,
        Capabilities: ['CAPABILITY_NAMED_IAM'],
      }),
    )
    await waitUntilStackUpdateComplete(
      { client: cloudFormation, maxWaitTime: 120, minDelay: 1, maxDelay: 1 },
      { StackName },
    )
  }

  it('leaves runs under way what they began with, is used by the next, and can be gone back from', async () => {
    const underWay = await deployment.start('train:sleep=600@1')
    await deployment.until(underWay.runId, 'trains', ({ status }) => status === 'training')
    const trainer = await deployment.processOf(underWay.runId, 'train')
    const before = await versionOf(underWay)
    await deployBroken()

    const next = await deployment.start()
    // Told to stop, it is started again: Classify, Evaluate and Register are yet to come.
    process.kill(trainer, 'SIGTERM')
    const [kept, broken] = await Promise.all([deployment.ended(underWay.runId), deployment.ended(next.runId)])
    expect(kept.status).toBe('succeeded')
    expect(await versionOf(kept)).toBe(before)
    expect(broken).toMatchObject({ status: 'failed', failure: { step: 'register', class: 'internal' } })
    expect(await versionOf(broken)).not.toBe(before)

    const routingConfiguration = [{ stateMachineVersionArn: before, weight: 100 }]
    await deployment.sfn.send(
      new UpdateStateMachineAliasCommand({ stateMachineAliasArn: deployment.aliasArn, routingConfiguration }),
    )
    const back = await deployment.ended((await deployment.start()).runId)
    expect(back.status).toBe('succeeded')
    expect(await versionOf(back)).toBe(before)
  })
})
