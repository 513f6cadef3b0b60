import type { HttpApi } from 'aws-cdk-lib/aws-apigatewayv2'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import type { Team } from '../../../core/team.ts'
import type { Handler } from '../handler.ts'
import { Alarms } from './alarms.ts'
import { TeamDashboard } from './dashboard.ts'
import { Queries, type TeamLogs } from './queries.ts'

/** What alarms and the dashboard look at, besides the team's own metrics. */
export interface Watched {
  readonly reconciler: Handler
  readonly tableChanged: Handler
  readonly deadLetterQueue: IQueue
  readonly httpApi: HttpApi
  readonly functions: readonly Handler[]
}

export interface MonitoringProps {
  readonly team: Team
  readonly watched: Watched
  readonly logs: TeamLogs
  /** Who is told of an alarm. */
  readonly topic: ITopic
}

/** How the team's operators see what it does: saved queries, a dashboard, and alarms with what to do about them. */
export class Monitoring extends Construct {
  constructor(scope: Construct, id: string, { team, watched, logs, topic }: MonitoringProps) {
    super(scope, id)
    new Queries(this, 'Queries', { logs })
    if (team.dashboard) new TeamDashboard(this, 'Dashboard', { team, watched, logs })
    if (team.alarms.enabled) new Alarms(this, 'Alarms', { team, watched, topic })
  }
}
