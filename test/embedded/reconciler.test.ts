import { SubmitJobCommand } from '@aws-sdk/client-batch'
import { ulid } from 'ulid'
import { describe, expect, it } from 'vitest'
import { planSchema } from '../../core/plan.ts'
import { parseRecipe } from '../../core/recipe.ts'
import { Ledger } from '../../core/store/ledger.ts'
import { RunStore } from '../../core/store/run-store.ts'
import { openTable } from '../../core/store/table.ts'
import { Deployment } from '../support/deployment.ts'
import { eventually } from '../support/processes.ts'

const deployment = await Deployment.open()
const { client } = deployment
const table = openTable(deployment.dynamo, deployment.tableName)
const runs = new RunStore(table)
const ledger = new Ledger(table)

const PRICE = { usd: 1, monthlyLimitUsd: undefined }

/** As EventBridge would call it, some minutes from now. */
const reconcile = async (minutes = 3) => {
  const time = new Date(Date.now() + minutes * 60_000).toISOString()
  const { error, payload } = await deployment.invoke('ReconcilerHandler', { time })
  expect(payload).toBeNull()
  expect(error).toBeUndefined()
}

const store = async () => {
  const run = { runId: ulid(), team: 'demo', createdAt: new Date().toISOString() }
  await ledger.open({ ...run, recipe: parseRecipe(await deployment.recipe()) }, PRICE)
  return run.runId
}
const committedUsd = async () => (await client.getTeam()).budget.committedUsd

describe('the reconciler', () => {
  it('ends a run whose execution is gone, and gives back its budget', async () => {
    const before = await committedUsd()
    const runId = await store()
    await runs.advance(runId, { status: 'planning', at: new Date().toISOString(), moment: {} })
    await Promise.all([reconcile(), reconcile()])
    const run = await client.getRun(runId)
    expect(run).toMatchObject({ status: 'failed', failure: { code: 'EXECUTION_GONE' }, spentUsd: 0 })
    expect(run).not.toHaveProperty('reservation')
    expect(await committedUsd()).toBeCloseTo(before, 4)
    const after = await client.getRun(runId)
    await reconcile()
    expect(await client.getRun(runId)).toEqual(after)
  })

  it('ends a job that no live run owns, and leaves one that is not ours', async () => {
    const { planUri = '' } = await deployment.ended((await deployment.start('prepare:sleep=600@2')).runId)
    const { prepare } = planSchema.parse(await deployment.read(planUri)).steps
    const submit = async (parameters: Record<string, string>) => {
      const { jobId = '' } = await deployment.batch.send(
        new SubmitJobCommand({
          jobName: 'orphan',
          jobQueue: prepare.jobQueueArn,
          jobDefinition: prepare.jobDefinitionArn,
          parameters,
          containerOverrides: {
            environment: [
              { name: 'ROSLIN_PLAN_URI', value: planUri },
              { name: 'ROSLIN_STEP', value: 'prepare' },
              { name: 'ROSLIN_ATTEMPT', value: '2' },
            ],
          },
        }),
      )
      return jobId
    }
    const orphan = await submit({ runId: 'GONE', step: 'prepare', execution: '0', attempt: '0', option: '0' })
    const foreign = await submit({})
    await reconcile()
    await eventually('the orphan has ended', async () =>
      (await deployment.job(orphan))?.status === 'FAILED' ? true : undefined,
    )
    expect((await deployment.job(orphan))?.statusReason).toBe('No live run owns the job.')
    expect((await deployment.job(foreign))?.status).not.toBe('FAILED')
    await deployment.terminate(foreign)
  })
})
