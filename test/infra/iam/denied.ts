import type { Request } from '../../support/iam.ts'
import type { Team } from './teams.ts'

export interface Denied extends Request {
  /** After "may not". */
  readonly what: string
  /** Roles whose work it is, and why: role → reason. */
  readonly except?: Readonly<Record<string, string>>
}

const ACCOUNT_ARN = (service: string, resource: string) =>
  `arn:aws:${service}:us-east-1:111122223333:${resource}`
const JOB = 'JobstrainRole'

/** What none of team `own`'s roles may do: to another team, to its own deployment, to its data, to the account. */
export function deniedRequests(own: Team, other: Team): readonly Denied[] {
  return [
    ...toAnotherTeam(other),
    ...toTheDeployment(own),
    ...toTheData(own),
    ...ofAnotherRole(own),
    ...toTheAccount(),
  ]
}

function toAnotherTeam(other: Team): Denied[] {
  const { job } = other
  const ecsAgent = "AWS's own policy for the ECS agent names no log group; who writes there cannot read there"
  return [
    {
      what: "read another team's objects",
      action: 's3:GetObject',
      resource: other.object('runs/01J/plan.json'),
    },
    { what: "write another team's objects", action: 's3:PutObject', resource: other.object('uploads/ab/x') },
    {
      what: "delete another team's objects",
      action: 's3:DeleteObject',
      resource: other.object('models/a/b'),
    },
    { what: "list another team's bucket", action: 's3:ListBucket', resource: other.bucket },
    { what: "read another team's table", action: 'dynamodb:GetItem', resource: other.table },
    { what: "query another team's indexes", action: 'dynamodb:Query', resource: `${other.table}/index/gsi2` },
    { what: "write another team's table", action: 'dynamodb:UpdateItem', resource: other.table },
    {
      what: "follow another team's stream",
      action: 'dynamodb:GetRecords',
      resource: `${other.table}/stream/2026-01-01T00:00:00.000`,
    },
    { what: "decrypt another team's objects", action: 'kms:Decrypt', ...other.keyThrough('s3') },
    { what: "decrypt another team's table", action: 'kms:Decrypt', ...other.keyThrough('dynamodb') },
    { what: "encrypt with another team's key", action: 'kms:GenerateDataKey', ...other.keyThrough('s3') },
    {
      what: "pull another team's images",
      action: 'ecr:BatchGetImage',
      resource: other.arn('Images'),
      except: { ComputeInstanceRole: "AWS's own policy for the ECS agent names no repository" },
    },
    {
      what: "send to another team's queue",
      action: 'sqs:SendMessage',
      resource: other.arn('EventsDeadLetters'),
    },
    {
      what: "read another team's queue",
      action: 'sqs:ReceiveMessage',
      resource: other.arn('EventsDeadLetters'),
    },
    { what: "tell another team's people", action: 'sns:Publish', resource: other.arn('NotificationsTopic') },
    {
      what: "read another team's webhook",
      action: 'secretsmanager:GetSecretValue',
      resource: other.secret('webhook'),
    },
    {
      what: "read another team's Hugging Face token",
      action: 'secretsmanager:GetSecretValue',
      resource: other.secret('hugging-face'),
    },
    { what: "submit to another team's GPUs", action: 'batch:SubmitJob', resource: other.gpuQueue },
    {
      what: "submit another team's jobs",
      action: 'batch:SubmitJob',
      resource: other.arn('JobstrainDefinition'),
    },
    { what: "end another team's jobs", action: 'batch:TerminateJob', ...job },
    {
      what: "look into another team's job queue",
      action: 'batch:GetJobQueueSnapshot',
      resource: other.gpuQueue,
    },
    { what: "start another team's flow", action: 'states:StartExecution', resource: other.liveAlias },
    { what: "stop another team's runs", action: 'states:StopExecution', resource: other.execution },
    { what: "look at another team's runs", action: 'states:DescribeExecution', resource: other.execution },
    {
      what: "call another team's functions",
      action: 'lambda:InvokeFunction',
      resource: other.arn('FlowPlan'),
    },
    { what: "read another team's logs", action: 'logs:GetLogEvents', resource: other.jobLogStream },
    {
      what: "write another team's logs",
      action: 'logs:PutLogEvents',
      resource: other.jobLogStream,
      except: { ComputeInstanceRole: ecsAgent },
    },
    { what: "make another team's schedules", action: 'scheduler:CreateSchedule', resource: other.schedule },
    { what: "delete another team's schedules", action: 'scheduler:DeleteSchedule', resource: other.schedule },
    { what: "look at another team's schedules", action: 'scheduler:GetSchedule', resource: other.schedule },
    {
      what: "call another team's API",
      action: 'execute-api:Invoke',
      resource: other.route('GET/v1/runs'),
    },
    {
      what: "hand on another team's role",
      action: 'iam:PassRole',
      resource: other.arn('SchedulesRole'),
      context: { 'iam:PassedToService': 'scheduler.amazonaws.com' },
    },
    { what: "become another team's job", action: 'sts:AssumeRole', resource: other.arn(JOB) },
  ]
}

function toTheDeployment(own: Team): Denied[] {
  const code = own.arn('FlowPlan')
  const role = own.arn(JOB)
  return [
    { what: 'replace the code of a function', action: 'lambda:UpdateFunctionCode', resource: code },
    { what: 'change what a function is given', action: 'lambda:UpdateFunctionConfiguration', resource: code },
    {
      what: 'make a function',
      action: 'lambda:CreateFunction',
      resource: ACCOUNT_ARN('lambda', 'function:new'),
    },
    { what: 'let others call a function', action: 'lambda:AddPermission', resource: code },
    { what: 'make a role', action: 'iam:CreateRole', resource: 'arn:aws:iam::111122223333:role/new' },
    { what: "widen a role's own policy", action: 'iam:PutRolePolicy', resource: role },
    { what: 'attach a policy to a role', action: 'iam:AttachRolePolicy', resource: role },
    { what: 'change who may be a role', action: 'iam:UpdateAssumeRolePolicy', resource: role },
    { what: "take off a role's boundary", action: 'iam:DeleteRolePermissionsBoundary', resource: role },
    {
      what: 'make an access key',
      action: 'iam:CreateAccessKey',
      resource: 'arn:aws:iam::111122223333:user/admin',
    },
    ...['ec2', 'lambda', 'ecs-tasks', 'batch', 'states'].map((service) => ({
      what: `hand a job's role to ${service}`,
      action: 'iam:PassRole',
      resource: role,
      context: { 'iam:PassedToService': `${service}.amazonaws.com` },
    })),
    {
      what: "hand the schedules' role to a service that is not the scheduler",
      action: 'iam:PassRole',
      resource: own.arn('SchedulesRole'),
      context: { 'iam:PassedToService': 'lambda.amazonaws.com' },
    },
    { what: 'become another role of the team', action: 'sts:AssumeRole', resource: role },
    { what: 'change the flow', action: 'states:UpdateStateMachine', resource: own.machine },
    { what: 'delete the flow', action: 'states:DeleteStateMachine', resource: own.machine },
    {
      what: 'define a job',
      action: 'batch:RegisterJobDefinition',
      resource: ACCOUNT_ARN('batch', 'job-definition/new'),
    },
    { what: 'change a job queue', action: 'batch:UpdateJobQueue', resource: own.gpuQueue },
    { what: 'delete a job queue', action: 'batch:DeleteJobQueue', resource: own.gpuQueue },
    {
      what: 'update a stack',
      action: 'cloudformation:UpdateStack',
      resource: ACCOUNT_ARN('cloudformation', `stack/Roslin-${own.name}-State/1`),
    },
    {
      what: 'delete a stack',
      action: 'cloudformation:DeleteStack',
      resource: ACCOUNT_ARN('cloudformation', `stack/Roslin-${own.name}-ControlPlane/1`),
    },
    {
      what: 'remove a rule',
      action: 'events:DeleteRule',
      resource: ACCOUNT_ARN('events', 'rule/RunEnds'),
    },
    {
      what: 'subscribe to what people are told',
      action: 'sns:Subscribe',
      resource: own.arn('NotificationsTopic'),
    },
    { what: 'empty the dead-letter queue', action: 'sqs:PurgeQueue', resource: own.arn('EventsDeadLetters') },
    { what: 'delete logs', action: 'logs:DeleteLogGroup', resource: own.arn('JobsLogs') },
  ]
}

function toTheData(own: Team): Denied[] {
  const { bucket, table } = own
  const key = own.arn('Key')
  const model = own.object('models/dolly/01JRUN/model.safetensors')
  return [
    { what: "delete a run's history", action: 'dynamodb:DeleteItem', resource: table },
    { what: 'write many items unasked', action: 'dynamodb:BatchWriteItem', resource: table },
    { what: 'read the whole table', action: 'dynamodb:Scan', resource: table },
    { what: 'delete the table', action: 'dynamodb:DeleteTable', resource: table },
    { what: 'turn off point-in-time recovery', action: 'dynamodb:UpdateContinuousBackups', resource: table },
    { what: "change the table's encryption", action: 'dynamodb:UpdateTable', resource: table },
    { what: 'copy the table out', action: 'dynamodb:ExportTableToPointInTime', resource: table },
    { what: 'delete the bucket', action: 's3:DeleteBucket', resource: bucket },
    { what: "change the bucket's encryption", action: 's3:PutEncryptionConfiguration', resource: bucket },
    { what: "change the bucket's policy", action: 's3:PutBucketPolicy', resource: bucket },
    { what: "delete the bucket's policy", action: 's3:DeleteBucketPolicy', resource: bucket },
    { what: 'turn off versioning', action: 's3:PutBucketVersioning', resource: bucket },
    { what: 'let objects expire', action: 's3:PutLifecycleConfiguration', resource: bucket },
    { what: 'make the bucket public', action: 's3:PutBucketPublicAccessBlock', resource: bucket },
    { what: 'make an object public', action: 's3:PutObjectAcl', resource: model },
    { what: 'delete a finished model', action: 's3:DeleteObject', resource: model },
    { what: 'delete an old version of a model', action: 's3:DeleteObjectVersion', resource: model },
    {
      what: 'delete an old version of a checkpoint',
      action: 's3:DeleteObjectVersion',
      resource: own.object('runs/01JRUN/checkpoints/1/optimizer'),
    },
    { what: "decrypt with the team's key itself", action: 'kms:Decrypt', resource: key },
    { what: "use the team's key through another service", action: 'kms:Decrypt', ...own.keyThrough('ec2') },
    { what: "give away the use of the team's key", action: 'kms:CreateGrant', ...own.keyThrough('dynamodb') },
    { what: "change the key's policy", action: 'kms:PutKeyPolicy', resource: key },
    { what: 'disable the key', action: 'kms:DisableKey', resource: key },
    { what: 'turn off the rotation of the key', action: 'kms:DisableKeyRotation', resource: key },
    { what: 'have the key deleted', action: 'kms:ScheduleKeyDeletion', resource: key },
    { what: 'push an image', action: 'ecr:PutImage', resource: own.arn('Images') },
    { what: 'delete an image', action: 'ecr:BatchDeleteImage', resource: own.arn('Images') },
    {
      what: 'delete what people sent up',
      action: 's3:DeleteObject',
      resource: own.object('uploads/ab/rows.json'),
    },
    {
      what: 'delete a version of a data set',
      action: 's3:DeleteObject',
      resource: own.object('datasets/a/b/c'),
    },
  ]
}

/** What some role must do, and no other. */
function ofAnotherRole(own: Team): Denied[] {
  const planning = 'It plans runs, which looks at their data'
  const starting = 'It starts runs'
  const starters = {
    ApiHandlerRole: starting,
    ReconcilerHandlerRole: 'It starts runs that were stored and never started',
    SchedulesFireRole: starting,
    TriggersObjectCreatedRole: starting,
    TriggersModelRegisteredRole: starting,
  }
  const planners = {
    ApiHandlerRole: planning,
    FlowPlanRole: planning,
    SchedulesFireRole: planning,
    TriggersObjectCreatedRole: planning,
    TriggersModelRegisteredRole: planning,
    JobsprepareRole: 'It makes rows of them',
  }
  return [
    {
      what: 'read what people sent up',
      action: 's3:GetObject',
      resource: own.object('uploads/ab/rows.json'),
      except: planners,
    },
    {
      what: 'send something up',
      action: 's3:PutObject',
      resource: own.object('uploads/ab/rows.json'),
      except: { ApiHandlerRole: 'It signs the forms that people send to' },
    },
    {
      what: 'write a model',
      action: 's3:PutObject',
      resource: own.object('models/dolly/01JRUN/model.safetensors'),
      except: { JobstrainRole: 'It makes them' },
    },
    {
      what: 'write a base model',
      action: 's3:PutObject',
      resource: own.object('base-models/ab/model.safetensors'),
      except: { JobsprepareRole: 'It mirrors them' },
    },
    {
      what: 'write prepared rows',
      action: 's3:PutObject',
      resource: own.object('prepared/ab/rows.parquet'),
      except: { JobsprepareRole: 'It makes them' },
    },
    {
      what: 'write a version of a data set',
      action: 's3:PutObject',
      resource: own.object('datasets/flock/ab/rows.jsonl'),
      except: {
        TriggersObjectCreatedRole: 'It makes them of files that arrive',
        ApiHandlerRole: 'It makes them of what people register',
      },
    },
    {
      what: 'put data where they arrive',
      action: 's3:PutObject',
      resource: own.object('incoming/flock/rows.jsonl'),
      except: { ApiHandlerRole: 'It signs the forms that people send to' },
    },
    {
      what: 'read the webhook',
      action: 'secretsmanager:GetSecretValue',
      resource: own.secret('webhook'),
      except: { NotificationsWebhookRole: 'It posts to it' },
    },
    {
      what: 'read the Hugging Face token',
      action: 'secretsmanager:GetSecretValue',
      resource: own.secret('hugging-face'),
      except: { JobsExecutionRole: 'The ECS agent gives it to Prepare; no container has this role' },
    },
    { what: 'start a run', action: 'states:StartExecution', resource: own.liveAlias, except: starters },
    {
      what: 'submit a job',
      action: 'batch:SubmitJob',
      resource: own.gpuQueue,
      except: { FlowStateMachineRole: 'It is the flow' },
    },
    {
      what: 'end a job',
      action: 'batch:TerminateJob',
      ...own.job,
      except: {
        FlowStateMachineRole: 'It ends the job that it waits for',
        ApiHandlerRole: 'It cancels runs',
        SchedulesFireRole: 'It cancels the run before',
        ReconcilerHandlerRole: 'It ends jobs that nobody owns',
      },
    },
    {
      what: 'call a step',
      action: 'lambda:InvokeFunction',
      resource: own.arn('FlowRegister'),
      except: { FlowStateMachineRole: 'It is the flow' },
    },
    {
      what: 'make a schedule',
      action: 'scheduler:CreateSchedule',
      resource: own.schedule,
      except: {
        ApiHandlerRole: 'It makes schedules, and the ends of windows',
        TriggersObjectCreatedRole: 'It sets the ends of windows',
        TriggersModelRegisteredRole: 'It sets the ends of windows',
      },
    },
    {
      what: "read the jobs' logs",
      action: 'logs:GetLogEvents',
      resource: own.jobLogStream,
      except: { ApiHandlerRole: 'It shows them' },
    },
    {
      what: 'write a run',
      action: 'dynamodb:UpdateItem',
      resource: own.table,
      except: Object.fromEntries(
        [...Object.keys(starters), ...Object.keys(planners)]
          .filter((role) => role !== 'JobsprepareRole')
          .concat(
            'FlowClassifyRole',
            'FlowRegisterRole',
            'FlowFailRole',
            'EventsBatchJobRole',
            'EventsExecutionRole',
          )
          .map((role) => [role, 'It keeps runs']),
      ),
    },
    {
      what: "look at the team's runs",
      action: 'execute-api:Invoke',
      resource: own.route('GET/v1/runs'),
      except: { PeopleOperatorsRole: 'They are people', PeopleViewersRole: 'They are people' },
    },
    ...[
      'POST/v1/runs',
      'POST/v1/runs/01JRUN/cancel',
      'PUT/v1/schedules/nightly',
      'DELETE/v1/schedules/nightly',
    ].map((route) => ({
      what: `ask the API for ${route}`,
      action: 'execute-api:Invoke',
      resource: own.route(route),
      except: { PeopleOperatorsRole: 'They are people who may' },
    })),
    {
      what: 'announce an event',
      action: 'events:PutEvents',
      resource: ACCOUNT_ARN('events', 'event-bus/default'),
      except: { EventsTableChangedRole: 'It announces what was written' },
    },
  ]
}

function toTheAccount(): Denied[] {
  const instance = ACCOUNT_ARN('ec2', 'instance/i-0123456789abcdef0')
  return [
    { what: 'start a machine', action: 'ec2:RunInstances', resource: instance },
    { what: 'end a machine', action: 'ec2:TerminateInstances', resource: instance },
    { what: 'tag a machine', action: 'ec2:CreateTags', resource: instance },
    {
      what: 'open a port',
      action: 'ec2:AuthorizeSecurityGroupIngress',
      resource: ACCOUNT_ARN('ec2', 'security-group/sg-0123456789abcdef0'),
    },
    { what: 'open a session on a machine', action: 'ssm:StartSession', resource: instance },
    { what: 'send a command to a machine', action: 'ssm:SendCommand', resource: instance },
    { what: 'read a parameter', action: 'ssm:GetParameter', resource: ACCOUNT_ARN('ssm', 'parameter/db') },
    {
      what: 'run a command in a container',
      action: 'ecs:ExecuteCommand',
      resource: ACCOUNT_ARN('ecs', 'task/AWSBatch/0123456789abcdef0123456789abcdef'),
    },
    { what: 'list secrets', action: 'secretsmanager:ListSecrets', resource: '*' },
    {
      what: 'read a secret of somebody else',
      action: 'secretsmanager:GetSecretValue',
      resource: ACCOUNT_ARN('secretsmanager', 'secret:production/database-AbCdEf'),
    },
    {
      what: 'replace a secret',
      action: 'secretsmanager:PutSecretValue',
      resource: ACCOUNT_ARN('secretsmanager', 'secret:speech/webhook-AbCdEf'),
    },
    { what: 'list the buckets', action: 's3:ListAllMyBuckets', resource: '*' },
    {
      what: 'read a bucket of somebody else',
      action: 's3:GetObject',
      resource: 'arn:aws:s3:::payroll/2026.csv',
    },
    {
      what: 'become an administrator',
      action: 'sts:AssumeRole',
      resource: 'arn:aws:iam::111122223333:role/Admin',
    },
    {
      what: 'raise a quota',
      action: 'servicequotas:RequestServiceQuotaIncrease',
      resource: ACCOUNT_ARN('servicequotas', 'ec2/L-417A185B'),
    },
    {
      what: 'stop the audit trail',
      action: 'cloudtrail:StopLogging',
      resource: ACCOUNT_ARN('cloudtrail', 'trail/all'),
    },
  ]
}
