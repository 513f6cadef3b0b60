import { z } from 'zod'
import { CAPACITY_FILE, type DeployedCapacity, plannedOptionSchema } from '../core/capacity.ts'
import type { Deployment } from '../core/plan.ts'
import { SHARED_BY, type SharedBy } from '../core/team-fair-share.ts'
import { deployedFile } from './deployed-file.ts'

const json = <T>(shape: z.ZodType<T>) => z.string().transform((text) => shape.parse(JSON.parse(text)))

const deployed = z.object({
  TEAM: z.string(),
  /** Lambda sets it. */
  AWS_REGION: z.string(),
  BUCKET_NAME: z.string(),
  CPU_JOB_QUEUE_ARN: z.string(),
  JOB_DEFINITION_ARNS: json(z.object({ prepare: z.string(), train: z.string(), evaluate: z.string() })),
  /** Of each option of the file, in its order. */
  JOB_QUEUE_NAMES: json(z.array(z.string())),
  MULTI_NODE_JOB_DEFINITION_NAMES: json(z.array(z.string().nullable())),
  CODE_VERSION: z.string(),
  TRAINER_IMAGE: z.string(),
})

/** One variable of the function's environment. A missing one is a fault of the deployment: it stops the function. */
export function variable(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`The function's environment lacks ${name}: deploy the team's stacks again.`)
  return value
}

/** Where plans of this team will run, as its stacks say. */
export function deployment(): Deployment {
  const variables = deployed.parse(process.env)
  return {
    team: variables.TEAM,
    region: variables.AWS_REGION,
    bucket: variables.BUCKET_NAME,
    cpuJobQueueArn: variables.CPU_JOB_QUEUE_ARN,
    jobDefinitionArns: variables.JOB_DEFINITION_ARNS,
    capacity: deployedCapacity(variables),
    codeVersion: variables.CODE_VERSION,
    trainerImage: variables.TRAINER_IMAGE,
  }
}

function deployedCapacity(variables: z.output<typeof deployed>): readonly DeployedCapacity[] {
  return deployedFile(CAPACITY_FILE, z.array(plannedOptionSchema)).map((option, index) => {
    const jobQueue = variables.JOB_QUEUE_NAMES[index]
    const multiNode = variables.MULTI_NODE_JOB_DEFINITION_NAMES[index]
    if (!jobQueue)
      throw new Error(`JOB_QUEUE_NAMES has none for option ${index}: deploy the team's stacks again.`)
    return {
      ...option,
      jobQueueArn: renamed(variables.CPU_JOB_QUEUE_ARN, jobQueue),
      ...(multiNode && {
        multiNodeJobDefinitionArn: renamed(variables.JOB_DEFINITION_ARNS.train, multiNode),
      }),
    }
  })
}

/** The ARN of another one of the same kind, account and region. */
function renamed(arn: string, name: string): string {
  return `${arn.slice(0, arn.indexOf('/') + 1)}${name}`
}

/** What the team may spend in a month; undefined where its file sets no limit. */
export function monthlyLimitUsd(): number | undefined {
  const value = process.env.MONTHLY_BUDGET_USD
  return value ? Number(value) : undefined
}

/** By what the team's jobs have shares of the machines; undefined where the first goes first. */
export function sharedBy(): SharedBy | undefined {
  return SHARED_BY.find((by) => by === process.env.FAIR_SHARE_BY)
}

/** How many runs of the team may be open at once. */
export function concurrentRuns(): number {
  return Number(variable('CONCURRENT_RUNS'))
}
