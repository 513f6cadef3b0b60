import {
  DescribeJobQueuesCommand,
  type JobSummary,
  type KeyValuePair,
  ListJobsCommand,
  SubmitJobCommand,
} from '@aws-sdk/client-batch'
import { ListExecutionsCommand, StartExecutionCommand } from '@aws-sdk/client-sfn'
import { ulid } from 'ulid'
import { expect } from 'vitest'
import { parseRecipe } from '../../core/recipe.ts'
import { hasEnded, jobHasEnded } from '../../core/run.ts'
import { type RunDetail, type RunList, runDetail } from '../../core/run-view.ts'
import { Ledger } from '../../core/store/ledger.ts'
import { RunStore } from '../../core/store/run-store.ts'
import { openTable, type RoslinTable } from '../../core/store/table.ts'
import { readChaos, setChaos } from '../../local/chaos.ts'
import { type Deployment, STEPS, TEAM } from './deployment.ts'
import { eventually } from './processes.ts'

/** One of docs/chaos.md. */
export type Rule = Readonly<Record<string, unknown>> & { readonly kind: string }
type Overrides = Readonly<Record<string, unknown>>

/** What a run that is stored here may cost. */
const RESERVED_USD = 10

/** Runs in a deployment that is broken on purpose, and what must be true of them whatever happened. */
export class Scenarios {
  readonly #deployment: Deployment
  readonly #table: RoslinTable
  readonly #runs: RunStore
  readonly #ledger: Ledger

  constructor(deployment: Deployment) {
    this.#deployment = deployment
    this.#table = openTable(deployment.dynamo, deployment.tableName)
    this.#runs = new RunStore(this.#table)
    this.#ledger = new Ledger(this.#table)
  }

  /** Breaks things for one run: these rules beside those of other tests, which have runs of their own. */
  async chaos(runId: string, ...rules: readonly Rule[]): Promise<void> {
    await setChaos(this.#deployment.port, { rules: rules.map((rule) => ({ ...rule, run: runId })) }, true)
  }

  /** A run for which chaos is at hand before it begins: stored and started as the API does it, under an id known before. */
  async startIn(rules: readonly Rule[], told = '', overrides: Overrides = {}): Promise<string> {
    const runId = await this.store(told, overrides)
    await this.chaos(runId, ...rules)
    await this.startStored(runId)
    return runId
  }

  /** A run that is stored, with its share of the budget, and not started. */
  async store(told = '', overrides: Overrides = {}): Promise<string> {
    const recipe = parseRecipe(await this.#deployment.recipe(told, overrides))
    const run = { runId: ulid(), team: TEAM, recipe, createdAt: new Date().toISOString() }
    await this.#ledger.open(run, { usd: RESERVED_USD, monthlyLimitUsd: undefined })
    return run.runId
  }

  async startStored(runId: string): Promise<void> {
    const { aliasArn, sfn } = this.#deployment
    const input = JSON.stringify({ runId, execution: 0 })
    await sfn.send(new StartExecutionCommand({ stateMachineArn: aliasArn, name: runId, input }))
  }

  /** Runs the reconciler as if it were later: it leaves alone what has only just happened. */
  async reconcile({ minutesFromNow = 3 } = {}): Promise<{ error: string | undefined }> {
    const time = new Date(Date.now() + minutesFromNow * 60_000).toISOString()
    return this.#deployment.invoke('ReconcilerHandler', { time })
  }

  /** The same job once more, as nobody should submit it; with `parameters` of its own, it is somebody else's. */
  async submitAgain(
    jobId: string,
    environment: readonly KeyValuePair[],
    parameters?: Record<string, string>,
  ): Promise<string> {
    const job = await this.#deployment.job(jobId)
    const submitted = await this.#deployment.batch.send(
      new SubmitJobCommand({
        jobName: parameters ? 'foreign' : job?.jobName,
        jobQueue: job?.jobQueue,
        jobDefinition: job?.jobDefinition,
        parameters: parameters ?? job?.parameters,
        ...(!parameters && job?.tags && { tags: job.tags }),
        containerOverrides: { environment: [...(job?.container?.environment ?? []), ...environment] },
      }),
    )
    return submitted.jobId ?? ''
  }

  /** The run once it is as wanted. Read from the table: the API would take the processor from the run. */
  async until(runId: string, what: string, wanted: (run: RunDetail) => boolean): Promise<RunDetail> {
    return eventually(`run ${runId} ${what}`, async () => {
      const run = await this.#read(runId)
      return wanted(run) ? run : undefined
    })
  }

  /**
   * The run once it has ended, and nothing of it goes on: no job, no execution, no attempt that the table takes for unfinished,
   * no money that is reserved, or spent and not accounted. All that should go wrong must have gone wrong.
   * `meanwhile` is done before each look, as AWS calls the reconciler again and again.
   */
  async nothingIsLeft(runId: string, meanwhile?: () => Promise<unknown>): Promise<RunDetail> {
    let left: readonly string[] = []
    await eventually(
      `nothing is left of run ${runId}`,
      async () => {
        await meanwhile?.()
        const run = await this.#read(runId)
        left = leftInTable(run)
        if (left.length > 0) return undefined
        left = [...leftInBatch(run, await this.#jobs(runId)), ...(await this.#running(runId))]
        return left.length === 0 ? true : undefined
      },
      () => left.join(', '),
    )
    expect(await this.#unapplied(runId)).toEqual([])
    return this.#deployment.client.getRun(runId)
  }

  /** Waits until all that should go wrong with the run has gone wrong. */
  async haveGoneWrong(runId: string): Promise<void> {
    await eventually(`all that should go wrong with run ${runId} has gone wrong`, async () =>
      (await this.#unapplied(runId)).length === 0 ? true : undefined,
    )
  }

  /** The team's money, when no run is open: what is committed is what was spent, and that is what the runs cost. */
  async booksBalance(): Promise<void> {
    const { client } = this.#deployment
    const runs: RunList['runs'][number][] = []
    let cursor: string | undefined
    do {
      const page = await client.listRuns(100, cursor)
      runs.push(...page.runs)
      cursor = page.cursor ?? undefined
    } while (cursor)
    const open = runs.filter(({ status, reservation }) => !hasEnded(status) || reservation)
    const spentUsd = runs.reduce((sum, run) => sum + (run.spentUsd ?? 0), 0)
    const { budget } = await client.getTeam()
    expect(open.map(({ runId, status }) => `${runId} ${status}`)).toEqual([])
    expect(budget.committedUsd).toBeCloseTo(budget.spentUsd, 3)
    expect(budget.spentUsd).toBeCloseTo(spentUsd, 3)
  }

  /** The numbers of a model's versions. */
  async versionsOf(name: string): Promise<number[]> {
    const { data } = await this.#table.entities.modelVersion.query.byName({ name }).go({ pages: 'all' })
    return data.map(({ version }) => version)
  }

  async #unapplied(runId: string): Promise<unknown[]> {
    const { rules } = await readChaos(this.#deployment.port)
    return rules.filter(({ run, applied }) => run === runId && applied === 0)
  }

  async #read(runId: string): Promise<RunDetail> {
    const stored = await this.#runs.get(runId)
    if (!stored) throw new Error(`there is no run ${runId}`)
    return runDetail(stored.run, stored.attempts, new Date())
  }

  async #jobs(runId: string): Promise<JobSummary[]> {
    const { batch } = this.#deployment
    const { jobQueues = [] } = await batch.send(new DescribeJobQueuesCommand({}))
    const pages = jobQueues.flatMap(({ jobQueueArn: jobQueue }) =>
      STEPS.map((step) => {
        const filters = [{ name: 'JOB_NAME', values: [`roslin-${step}-${runId}*`] }]
        return batch.send(new ListJobsCommand({ jobQueue, filters }))
      }),
    )
    return (await Promise.all(pages)).flatMap(({ jobSummaryList = [] }) => jobSummaryList)
  }

  async #running(runId: string): Promise<string[]> {
    const { aliasArn, sfn } = this.#deployment
    const stateMachineArn = aliasArn.replace(/:live$/, '')
    const { executions = [] } = await sfn.send(
      new ListExecutionsCommand({ stateMachineArn, statusFilter: 'RUNNING' }),
    )
    return executions
      .filter(({ name }) => name?.startsWith(runId))
      .map(({ name }) => `execution ${name} runs`)
  }
}

/** What the run's containers cost by the hours they ran and the prices in its plan, Prepare's left out. */
export function priceOf({ attempts, options = [] }: RunDetail): number {
  return attempts
    .filter(({ step }) => step !== 'prepare')
    .flatMap(({ option, executions }) =>
      executions.map(({ startedAt, stoppedAt = '' }) => {
        const hours = (Date.parse(stoppedAt) - Date.parse(startedAt)) / 3_600_000
        return hours * (options[option]?.priceUsdPerHour ?? Number.NaN)
      }),
    )
    .reduce((sum, price) => sum + price, 0)
}

function leftInTable({ runId, status, attempts, reservation, costUsd, spentUsd }: RunDetail): string[] {
  const unfinished = attempts.filter(
    ({ jobStatus, executions }) => !jobHasEnded(jobStatus) || executions.some(({ stoppedAt }) => !stoppedAt),
  )
  return [
    ...(hasEnded(status) ? [] : [`run ${runId} is ${status}`]),
    ...(reservation ? [`$${reservation.usd} are reserved`] : []),
    // What is accounted is rounded up to a hundredth of a cent.
    ...(Math.abs(costUsd - (spentUsd ?? -1)) < 1.1e-4 ? [] : [`$${spentUsd} of $${costUsd} are accounted`]),
    ...unfinished.map(({ step, attempt, jobStatus }) => `attempt ${attempt} of ${step} is ${jobStatus}`),
  ]
}

function leftInBatch({ attempts }: RunDetail, jobs: readonly JobSummary[]): string[] {
  const known = new Set(attempts.map(({ jobId }) => jobId))
  const live = jobs.filter(({ status }) => !status || !jobHasEnded(status))
  const unknown = jobs.filter(({ jobId = '' }) => !known.has(jobId))
  return [
    ...live.map(({ jobName, status }) => `job ${jobName} is ${status}`),
    ...unknown.map(({ jobName }) => `job ${jobName} is not in the table`),
  ]
}
