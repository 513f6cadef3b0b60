import { RoslinError } from '../../core/errors.ts'
import type { PlannedStep, StepName } from '../../core/plan.ts'
import { FIRST_ATTEMPT, type Progress } from '../../core/recovery.ts'
import { RUN_FILES } from '../../core/storage-layout.ts'
import { runs } from '../clients.ts'
import { deployment } from '../environment.ts'
import { planRecipe } from '../pinning.ts'
import { writeJson } from '../s3-json.ts'
import { step } from './step.ts'

/** Pins and prices the run's recipe, writes plan.json, and gives the state machine what it needs of it. */
export const handler = step(async ({ runId }: { runId: string }): Promise<Planned> => {
  await runs.advance(runId, 'planning', now())
  const stored = await runs.get(runId)
  if (!stored)
    throw new RoslinError('RUN_NOT_FOUND', `There is no run ${runId}.`, 'Start runs through the API.')
  const plan = await planRecipe({ runId, createdAt: stored.run.createdAt }, stored.run.recipe, deployment())
  const planUri = `${plan.runUri}${RUN_FILES.plan}`
  await writeJson(planUri, plan)
  const options = plan.capacity.map(({ instanceType, purchase, priceUsdPerHour }) => ({
    instanceType,
    purchase,
    priceUsdPerHour,
  }))
  await runs.advance(runId, 'preparing', now(), {
    planUri,
    options,
    ...(options[0] && { capacity: options[0] }),
  })
  const { prepare, train, evaluate } = plan.steps
  const onEachOption = (job: typeof train) =>
    plan.capacity.map(({ jobQueueArn, machine }) => batchJob({ ...job, ...machine, jobQueueArn }))
  return {
    planUri,
    jobs: { prepare: [batchJob(prepare)], train: onEachOption(train), evaluate: onEachOption(evaluate) },
    progress: FIRST_ATTEMPT,
  }
})

interface Planned {
  readonly planUri: string
  /** One for each capacity option; Prepare has no choice. */
  readonly jobs: Readonly<Record<StepName, readonly BatchJob[]>>
  readonly progress: Progress
}

/** A planned step in Batch's own words. */
interface BatchJob {
  readonly jobQueueArn: string
  readonly jobDefinitionArn: string
  readonly timeoutSeconds: number
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

const now = () => new Date().toISOString()
