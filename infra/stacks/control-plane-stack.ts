import { CfnOutput, Fn, Stack, type StackProps } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import type { Automation } from '../../core/automation.ts'
import { CAPACITY_FILE } from '../../core/capacity.ts'
import type { Recipe } from '../../core/recipe.ts'
import type { Team } from '../../core/team.ts'
import { Api } from '../constructs/api.ts'
import { Compute } from '../constructs/compute.ts'
import { Events } from '../constructs/events.ts'
import { Flow } from '../constructs/flow.ts'
import { Handler } from '../constructs/handler.ts'
import type { FlowHooks } from '../constructs/hooks.ts'
import { Jobs } from '../constructs/jobs.ts'
import { Libraries } from '../constructs/libraries.ts'
import { Monitoring } from '../constructs/monitoring/monitoring.ts'
import { Network } from '../constructs/network.ts'
import { Notifications } from '../constructs/notifications.ts'
import { People } from '../constructs/people.ts'
import { Reconciler } from '../constructs/reconciler.ts'
import { Schedules } from '../constructs/schedules.ts'
import { Triggers } from '../constructs/triggers.ts'
import type { StateStack } from './state-stack.ts'

export interface ControlPlaneStackProps extends StackProps {
  readonly team: Team
  readonly automation: Automation
  readonly recipes: readonly Recipe[]
  readonly codeVersion: string
  readonly state: StateStack
  readonly hooks?: FlowHooks | undefined
}

/** All that can be made again: destroying this stack loses no run and no model. */
export class ControlPlaneStack extends Stack {
  readonly api: Api

  constructor(scope: Construct, id: string, props: ControlPlaneStackProps) {
    super(scope, id, props)
    const { team, codeVersion } = props
    const { schedules: teamSchedules, triggers } = props.automation
    const { table, bucket } = props.state
    const network = new Network(this, 'Network', {
      network: team.network,
      logRetentionDays: team.logRetentionDays,
    })
    const compute = new Compute(this, 'Compute', {
      team: team.name,
      network,
      capacity: team.capacity,
      region: team.region,
      maxVcpus: team.maxVcpus,
      fairShare: team.fairShare,
    })
    const jobs = new Jobs(this, 'Jobs', {
      bucket,
      trainerImage: team.trainerImage,
      secrets: team.secrets,
      logRetentionDays: team.logRetentionDays,
      capacity: team.capacity,
    })
    props.state.images.grantPull(jobs.executionRole)
    const functionDefaults = {
      logRetentionDays: team.logRetentionDays,
      libraries: new Libraries(this, 'Libraries'),
      // Larger than an environment may be.
      files: { [CAPACITY_FILE]: JSON.stringify(team.capacity) },
      environment: {
        TEAM: team.name,
        TABLE_NAME: table.tableName,
        BUCKET_NAME: bucket.bucketName,
        CPU_JOB_QUEUE_ARN: compute.cpuJobQueue.jobQueueArn,
        JOB_DEFINITION_ARNS: this.toJsonString(jobs.definitionArns),
        // Of each option in capacity.json, in its order. By name: an environment has 4 KB.
        JOB_QUEUE_NAMES: this.toJsonString(
          compute.capacityJobQueues.map(({ jobQueueArn }) => nameIn(jobQueueArn)),
        ),
        MULTI_NODE_JOB_DEFINITION_NAMES: this.toJsonString(
          team.capacity.map((option) => {
            const arn = jobs.multiNodeDefinitionArn(option)
            return arn ? nameIn(arn) : null
          }),
        ),
        CODE_VERSION: codeVersion,
        TRAINER_IMAGE: jobs.imageName,
        CONCURRENT_RUNS: String(team.limits.concurrentRuns),
        ...(team.fairShare && { FAIR_SHARE_BY: team.fairShare.by }),
        ...(team.budget.monthlyUsd && { MONTHLY_BUDGET_USD: String(team.budget.monthlyUsd) }),
      },
    }
    const flow = new Flow(this, 'Flow', {
      team: team.name,
      table,
      bucket,
      compute,
      jobs,
      functionDefaults,
      fairShare: team.fairShare !== undefined,
      hooks: props.hooks,
    })
    const events = new Events(this, 'Events', {
      table,
      bucket,
      compute,
      stateMachine: flow.stateMachine,
      functionDefaults,
    })
    const { deadLetterQueue } = events
    const { handler: reconciler } = new Reconciler(this, 'Reconciler', {
      table,
      bucket,
      compute,
      flow,
      functionDefaults,
      deadLetterQueue,
      stuckRunMinutes: team.alarms.stuckRunMinutes,
    })
    const { topic } = new Notifications(this, 'Notifications', { team, functionDefaults, deadLetterQueue })
    const schedules = new Schedules(this, 'Schedules', {
      team: team.name,
      schedules: teamSchedules,
      table,
      bucket,
      flow,
      compute,
      functionDefaults,
      deadLetterQueue,
    })
    new Triggers(this, 'Triggers', {
      team: team.name,
      triggers,
      table,
      bucket,
      flow,
      schedules,
      functionDefaults,
      deadLetterQueue,
    })
    this.api = new Api(this, 'Api', {
      table,
      bucket,
      jobLogGroup: jobs.logGroup,
      flow,
      schedules,
      triggers,
      recipes: props.recipes,
      compute,
      functionDefaults,
    })
    new People(this, 'People', { people: team.people, api: this.api })

    const handlers = this.node.findAll().filter((construct) => construct instanceof Handler)
    const { httpApi, handler: apiHandler, accessLogs } = this.api
    const { tableChanged, batchJob } = events
    new Monitoring(this, 'Monitoring', {
      team,
      topic,
      watched: { reconciler, tableChanged, deadLetterQueue, httpApi, functions: handlers },
      logs: {
        everything: [...handlers.map(({ logGroup }) => logGroup), flow.logGroup, jobs.logGroup],
        api: apiHandler.logGroup,
        apiAccess: accessLogs,
        tableChanged: tableChanged.logGroup,
        reconciler: reconciler.logGroup,
        jobStates: [batchJob.logGroup, reconciler.logGroup],
      },
    })

    new CfnOutput(this, 'ApiUrl', { value: this.api.url })
    new CfnOutput(this, 'StateMachineAliasArn', { value: flow.aliasArn })
  }
}

/** Of `arn:…:job-queue/name` the name; of a job definition with its revision. */
function nameIn(arn: string): string {
  return Fn.select(1, Fn.split('/', arn))
}
