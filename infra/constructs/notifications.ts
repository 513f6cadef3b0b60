import { CfnOutput, Duration, Stack, Validations } from 'aws-cdk-lib'
import { Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events'
import { LambdaFunction, SnsTopic } from 'aws-cdk-lib/aws-events-targets'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import { ENDED } from '../../core/run.ts'
import { BUDGET_NOTICE, EVENT_SOURCE, RUN_STATUS_CHANGE } from '../../core/run-events.ts'
import type { Team } from '../../core/team.ts'
import { type FunctionDefaults, Handler } from './handler.ts'

export interface NotificationsProps {
  readonly team: Team
  readonly functionDefaults: FunctionDefaults
  readonly deadLetterQueue: IQueue
}

/** Tells people of runs that have ended and of budgets that are nearly spent: a topic, and a webhook where the team names one. */
export class Notifications extends Construct {
  readonly topic: Topic

  constructor(scope: Construct, id: string, { team, functionDefaults, deadLetterQueue }: NotificationsProps) {
    super(scope, id)
    const topic = new Topic(this, 'Topic', { displayName: `Roslin ${team.name}`, enforceSSL: true })
    this.topic = topic
    Validations.of(topic).acknowledge({
      id: 'AwsSolutions-SNS2',
      reason:
        'EventBridge can publish to an encrypted topic only with a customer key, $1 a month; the messages hold run ids and sentences.',
    })
    for (const email of team.notifications.emails) topic.addSubscription(new EmailSubscription(email))
    const ends = this.#rule('Ends', 'Runs of the team that have ended', RUN_STATUS_CHANGE, {
      team: [team.name],
      status: [...ENDED],
    })
    const notices = this.#rule('Notices', 'Budgets of the team that are nearly spent', BUDGET_NOTICE, {
      team: [team.name],
    })
    const message = RuleTargetInput.fromEventPath('$.detail.summary')
    const delivery = { deadLetterQueue, maxEventAge: Duration.hours(2), retryAttempts: 10 }
    for (const rule of [ends, notices]) rule.addTarget(new SnsTopic(topic, { message, ...delivery }))
    new CfnOutput(Stack.of(this), 'TopicArn', { value: topic.topicArn })
    const { webhookSecret } = team.notifications
    if (!webhookSecret) return
    const handler = new Handler(this, 'Webhook', {
      entry: 'events/webhook.ts',
      defaults: functionDefaults,
      environment: { WEBHOOK_SECRET_NAME: webhookSecret },
      deadLetterQueue,
    })
    Secret.fromSecretNameV2(this, 'WebhookSecret', webhookSecret).grantRead(handler)
    for (const rule of [ends, notices]) rule.addTarget(new LambdaFunction(handler, delivery))
  }

  #rule(id: string, description: string, detailType: string, detail: Record<string, string[]>): Rule {
    return new Rule(this, id, {
      description,
      eventPattern: { source: [EVENT_SOURCE], detailType: [detailType], detail },
    })
  }
}
