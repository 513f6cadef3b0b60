import { evaluationSeconds } from '../../core/budget.ts'
import { optionName } from '../../core/capacity.ts'
import { shareIdentifier, shareName } from '../../core/fair-share.ts'
import { type Plan, type PlannedStep, replan, type StepName } from '../../core/plan.ts'
import { recipeSchema } from '../../core/recipe.ts'
import { FIRST_ATTEMPT, type Progress } from '../../core/recovery.ts'
import type { FlowStep, RunStatus } from '../../core/run.ts'
import { planFile } from '../../core/storage-layout.ts'
import type { Attempt, Run } from '../../core/store/run-store.ts'
import type { RunCapacity } from '../../core/store/table.ts'
import { runs } from '../clients.ts'
import { deployment, sharedBy } from '../environment.ts'
import { planRecipe } from '../pinning.ts'
import { readPlan, writeJson } from '../s3-json.ts'
import { enter } from './enter.ts'
import { step } from './step.ts'

interface Planned {
  readonly planUri: string
  /** Its name, for its jobs' tags. */
  readonly recipe: string
  /** The step to begin with. */
  readonly from: FlowStep
  /** One for each capacity option; Prepare has no choice. */
  readonly jobs: Readonly<Record<StepName, readonly BatchJob[]>>
  readonly progress: Progress
}

/** The state that a run has from then on. */
const STATUS_OF: Readonly<Record<FlowStep, RunStatus>> = {
  prepare: 'preparing',
  train: 'waiting',
  evaluate: 'evaluating',
  register: 'registering',
}

/** Pins and prices the run's recipe, writes its plan, and gives the state machine what it needs of it. */
export const handler = step(
  async ({ runId, execution }: { runId: string; execution: number }): Promise<Planned> => {
    const { run, attempts } = await enter(runId, execution, 'planning')
    const plan = await planOf(run)
    const planUri = `${plan.runUri}${planFile(execution)}`
    await writeJson(planUri, plan)
    const options = plan.capacity.map(({ instanceType, purchase, priceUsdPerHour }) => ({
      instanceType,
      purchase,
      priceUsdPerHour,
    }))
    const note = changeOfOption(run.capacity, options[0])
    await runs.advance(runId, {
      status: STATUS_OF[run.from],
      at: new Date().toISOString(),
      moment: { execution },
      ...(note && { note }),
      details: { planUri, options, ...(options[0] && { capacity: options[0] }) },
    })
    return {
      planUri,
      recipe: run.recipeName,
      from: run.from,
      jobs: withShare(jobsOf(plan), run),
      progress: progressAfter(run, attempts, plan),
    }
  },
)

/** A run that goes on tries its options from the first on. */
function changeOfOption(last: RunCapacity | undefined, first: RunCapacity | undefined): string | undefined {
  if (!last || !first || optionName(last) === optionName(first)) return undefined
  return `Going back from ${optionName(last)} to ${optionName(first)}, the first of its capacity options.`
}

/** A run that goes on keeps what it was planned with. */
async function planOf({ runId, createdAt, recipe, planUri }: Run): Promise<Plan> {
  const previous = planUri && (await readPlan(planUri))
  return previous
    ? replan(previous, recipe.limits, deployment())
    : // Stored by an earlier release, it may lack fields that have come since.
      planRecipe({ runId, createdAt }, recipeSchema.parse(recipe), deployment())
}

/** Attempts are counted through all executions: the trainer names files by them. */
function progressAfter(run: Run, attempts: readonly Attempt[], plan: Plan): Progress {
  if (run.execution === 0) return FIRST_ATTEMPT
  const attempt = Math.max(-1, ...attempts.map((earlier) => earlier.attempt)) + 1
  const seconds = run.from === 'evaluate' ? secondsLeft(run, plan) : undefined
  return { ...FIRST_ATTEMPT, attempt, ...(seconds && { evaluationSeconds: seconds }) }
}

function secondsLeft({ spentUsd = 0 }: Run, { reservedUsd, capacity: [first] }: Plan): number | undefined {
  return first && evaluationSeconds(reservedUsd - spentUsd, first.priceUsdPerHour)
}

function jobsOf({ steps: { prepare, train, evaluate }, capacity, recipe }: Plan): Planned['jobs'] {
  const { nodes } = recipe.resources
  return {
    prepare: [batchJob(prepare)],
    train: capacity.map(
      ({ jobQueueArn, machine, multiNodeJobDefinitionArn, trainTimeoutSeconds: timeoutSeconds }) => {
        const jobDefinitionArn = nodes > 1 ? multiNodeJobDefinitionArn : train.jobDefinitionArn
        if (!jobDefinitionArn) throw new Error(`${jobQueueArn} has no job definition of several nodes`)
        return { ...batchJob({ ...machine, jobDefinitionArn, jobQueueArn, timeoutSeconds }), nodes }
      },
    ),
    evaluate: capacity.map(({ jobQueueArn, machine, evaluateTimeoutSeconds: timeoutSeconds }) =>
      batchJob({ ...evaluate, ...machine, jobQueueArn, timeoutSeconds }),
    ),
  }
}

/** Each job with its share, where the queues know shares: others refuse a job that has one. */
function withShare({ prepare, train, evaluate }: Planned['jobs'], run: Run): Planned['jobs'] {
  const by = sharedBy()
  const share = by && { shareIdentifier: shareIdentifier(shareName(by, run)) }
  const add = (jobs: readonly BatchJob[]) => jobs.map((job) => ({ ...job, ...share }))
  return { prepare: add(prepare), train: add(train), evaluate: add(evaluate) }
}

/** A planned step in Batch's own words. */
interface BatchJob {
  readonly jobQueueArn: string
  readonly jobDefinitionArn: string
  readonly timeoutSeconds: number
  /** Missing where it is one by nature. */
  readonly nodes?: number
  readonly shareIdentifier?: string
  /** Of each node. */
  readonly resourceRequirements: readonly {
    readonly Type: 'VCPU' | 'MEMORY' | 'GPU'
    readonly Value: string
  }[]
}

function batchJob({
  jobQueueArn,
  jobDefinitionArn,
  timeoutSeconds,
  vcpus,
  memoryMiB,
  gpus,
}: PlannedStep): BatchJob {
  const requirement = (Type: 'VCPU' | 'MEMORY' | 'GPU', value: number) => ({ Type, Value: String(value) })
  return {
    jobQueueArn,
    jobDefinitionArn,
    timeoutSeconds,
    // Batch refuses a wish for no GPU.
    resourceRequirements: [
      requirement('VCPU', vcpus),
      requirement('MEMORY', memoryMiB),
      ...(gpus > 0 ? [requirement('GPU', gpus)] : []),
    ],
  }
}
