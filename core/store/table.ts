import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb'
import { CustomAttributeType, Entity, Service } from 'electrodb'
import type { Recipe } from '../recipe.ts'
import type { JobStatus, RunFailure, RunStatus, TimelineEntry } from '../run.ts'
import { type FlowStep, JOB_STATUSES, RUN_STATUSES, STEPS } from '../run.ts'
import type { FinalMetrics } from '../run-view.ts'
import type { StartedBy } from '../started-by.ts'
import { datasetEntities } from './dataset-entities.ts'
import { firingEntity } from './firing-entity.ts'
import { SERVICE, TABLE_KEYS } from './keys.ts'
import { requestEntity, teamEntities } from './team-entities.ts'
import { versionedClient } from './versioned-client.ts'

const { pk, sk, byTeam, open, byRecipe, byOutcome, byModel } = TABLE_KEYS

/** The entities of the one table. Access patterns and keys are in docs/data-model.md. */
export function openTable(documents: DynamoDBDocumentClient, table: string) {
  const client = versionedClient(documents)
  const run = new Entity(
    {
      model: { entity: 'run', version: '1', service: SERVICE },
      attributes: {
        runId: { type: 'string', required: true },
        team: { type: 'string', required: true },
        recipeName: { type: 'string', required: true },
        /** Of runs from before it had an item of its own. */
        recipe: { type: CustomAttributeType<Recipe>('any') },
        status: { type: RUN_STATUSES as unknown as RunStatus[], required: true },
        /** One more with each resume. */
        execution: { type: 'number', required: true },
        /** The step that this execution begins with. */
        from: { type: STEPS as unknown as FlowStep[], required: true },
        /** Only grows; see runPosition. */
        position: { type: 'number', required: true },
        createdAt: { type: 'string', required: true },
        startedBy: { type: CustomAttributeType<StartedBy>('any') },
        endedAt: { type: 'string' },
        timeline: { type: CustomAttributeType<TimelineEntry[]>('any'), required: true },
        executionArn: { type: 'string' },
        planUri: { type: 'string' },
        capacity: { type: CustomAttributeType<RunCapacity>('any') },
        /** The plan's capacity options, in order; an attempt names its own by index. */
        options: { type: CustomAttributeType<readonly RunCapacity[]>('any') },
        failure: { type: CustomAttributeType<RunFailure>('any') },
        model: { type: CustomAttributeType<RunModel>('any') },
        metrics: { type: CustomAttributeType<FinalMetrics>('any') },
        /** The request that its newest execution was asked for with. */
        reopenedBy: { type: 'string' },
        /** Of the team's budget, until the run has ended and its jobs too. */
        reservation: { type: CustomAttributeType<Reservation>('any') },
        /** What has been accounted of the run's cost. */
        spentUsd: { type: 'number' },
        /** The month that it was accounted in, last. */
        spentMonth: { type: 'string' },
        /** When most of what may be spent was found to be spent. */
        budgetNoticeAt: { type: 'string' },
        /** The team, for as long as the run is not both ended and settled. */
        openTeam: { type: 'string', hidden: true },
        // The run's id once more: with `runId` itself, ElectroDB would put every run into these indexes from its start.
        /** Its status, once it has ended. */
        outcome: { type: 'string', hidden: true },
        endedRunId: { type: 'string', hidden: true },
        /** Its model's, once it has one. */
        modelName: { type: 'string', hidden: true },
        modelRunId: { type: 'string', hidden: true },
      },
      indexes: {
        byId: {
          collection: 'runWithAttempts',
          pk: { field: pk, composite: ['runId'] },
          sk: { field: sk, composite: [] },
        },
        byTeam: {
          index: byTeam.index,
          pk: { field: byTeam.pk, composite: ['team'] },
          sk: { field: byTeam.sk, composite: ['runId'] },
        },
        open: {
          index: open.index,
          pk: { field: open.pk, composite: ['openTeam'] },
          sk: { field: open.sk, composite: ['runId'] },
        },
        byRecipe: {
          index: byRecipe.index,
          pk: { field: byRecipe.pk, composite: ['recipeName'] },
          sk: { field: byRecipe.sk, composite: ['runId'] },
        },
        byOutcome: {
          index: byOutcome.index,
          pk: { field: byOutcome.pk, composite: ['outcome'] },
          sk: { field: byOutcome.sk, composite: ['endedRunId'] },
        },
        byModel: {
          index: byModel.index,
          pk: { field: byModel.pk, composite: ['modelName'] },
          sk: { field: byModel.sk, composite: ['modelRunId'] },
        },
      },
    },
    { client, table },
  )

  /** Beside the run, not in it: prompts make it large, and each change of a run writes the whole item and its indexes. */
  const runRecipe = new Entity(
    {
      model: { entity: 'runRecipe', version: '1', service: SERVICE },
      attributes: {
        runId: { type: 'string', required: true },
        recipe: { type: CustomAttributeType<Recipe>('any'), required: true },
      },
      indexes: {
        byRun: {
          collection: 'runWithAttempts',
          pk: { field: pk, composite: ['runId'] },
          sk: { field: sk, composite: [] },
        },
      },
    },
    { client, table },
  )

  const attempt = new Entity(
    {
      model: { entity: 'attempt', version: '1', service: SERVICE },
      attributes: {
        runId: { type: 'string', required: true },
        jobId: { type: 'string', required: true },
        step: { type: ['prepare', 'train', 'evaluate'] as const, required: true },
        jobStatus: { type: JOB_STATUSES as unknown as JobStatus[], required: true },
        position: { type: 'number', required: true },
        createdAt: { type: 'string', required: true },
        execution: { type: 'number', required: true },
        /** Jobs of the run that failed before this one. */
        attempt: { type: 'number', required: true },
        /** Index into the run's options. */
        option: { type: 'number', required: true },
        /** Each time a container ran, the ones running now included; of several nodes, each has its own. */
        executions: { type: CustomAttributeType<AttemptExecution[]>('any'), required: true },
        statusReason: { type: 'string' },
        /** What it ran on, from its end on: as its container found, else its option as it was then. */
        machine: { type: CustomAttributeType<RunCapacity>('any') },
      },
      indexes: {
        byRun: {
          collection: 'runWithAttempts',
          pk: { field: pk, composite: ['runId'] },
          sk: { field: sk, composite: ['jobId'] },
        },
      },
    },
    { client, table },
  )

  const modelVersion = new Entity(
    {
      model: { entity: 'modelVersion', version: '1', service: SERVICE },
      attributes: {
        name: { type: 'string', required: true },
        version: { type: 'number', required: true, padding: { length: 8, char: '0' } },
        runId: { type: 'string', required: true },
        uri: { type: 'string', required: true },
        createdAt: { type: 'string', required: true },
        licence: {
          type: CustomAttributeType<{
            commercialUse: boolean
            shareAlike: boolean
            because: readonly string[]
          }>('any'),
          required: true,
        },
        lineage: { type: CustomAttributeType<Lineage>('any'), required: true },
        /** Training was stopped at its limit: the newest checkpoint stands for the model. */
        unfinished: { type: 'boolean' },
      },
      indexes: {
        byName: { pk: { field: pk, composite: ['name'] }, sk: { field: sk, composite: ['version'] } },
      },
    },
    { client, table },
  )

  /** One a run that has succeeded, under the shape of its training: how fast it was. */
  const throughput = new Entity(
    {
      model: { entity: 'throughput', version: '1', service: SERVICE },
      attributes: {
        team: { type: 'string', required: true },
        shape: { type: 'string', required: true },
        runId: { type: 'string', required: true },
        tokensPerSecond: { type: 'number', required: true },
      },
      indexes: {
        byShape: {
          pk: { field: pk, composite: ['team', 'shape'] },
          sk: { field: sk, composite: ['runId'] },
        },
      },
    },
    { client, table },
  )

  /** One a name: its newest version. Under one key, so that a query lists them. */
  const model = new Entity(
    {
      model: { entity: 'model', version: '1', service: SERVICE },
      attributes: {
        name: { type: 'string', required: true },
        newestVersion: { type: 'number', required: true },
        runId: { type: 'string', required: true },
        createdAt: { type: 'string', required: true },
      },
      indexes: {
        byName: { pk: { field: pk, composite: [] }, sk: { field: sk, composite: ['name'] } },
      },
    },
    { client, table },
  )

  return new Service(
    {
      run,
      runRecipe,
      attempt,
      model,
      modelVersion,
      throughput,
      request: requestEntity({ client, table }),
      firing: firingEntity({ client, table }),
      ...datasetEntities({ client, table }),
      ...teamEntities({ client, table }),
    },
    { client, table },
  )
}

export type RoslinTable = ReturnType<typeof openTable>

/** What the run's machine is and costs: the list price its plan was made with. */
export interface RunCapacity {
  readonly instanceType: string
  readonly purchase: string
  readonly priceUsdPerHour: number
}

export interface RunModel {
  readonly name: string
  readonly version: number
  readonly uri: string
  readonly unfinished?: boolean
}

/** A recipe that was run. */
export interface UsedRecipe {
  readonly name: string
  readonly runs: number
  readonly newestRunId: string
  readonly newestRunAt: string
}

/** What a run may spend of a month of the team's budget. */
export interface Reservation {
  readonly month: string
  readonly usd: number
}

export interface AttemptExecution {
  /** Of a job of several nodes: whose container it is. The main node is 0. */
  readonly node?: number
  readonly startedAt: string
  readonly stoppedAt?: string
  readonly exitCode?: number
  readonly reason?: string
  readonly logStreamName?: string
}

export interface Lineage {
  readonly planUri: string
  readonly baseModel: { readonly source: string; readonly revision?: string }
  readonly dataset: { readonly uri: string; readonly sha256: string }
  readonly code: { readonly version: string; readonly trainerImage: string }
}
