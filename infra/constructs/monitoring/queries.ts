import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Stack } from 'aws-cdk-lib'
import { CfnQueryDefinition, type ILogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'

const folder = join(import.meta.dirname, '../../../docs/queries')

/** The log groups that queries read. */
export interface TeamLogs {
  /** Of the functions, the flow and the jobs: all but the API's access log. */
  readonly everything: readonly ILogGroup[]
  readonly api: ILogGroup
  readonly apiAccess: ILogGroup
  readonly tableChanged: ILogGroup
  readonly reconciler: ILogGroup
  /** Where states of jobs are written down. */
  readonly jobStates: readonly ILogGroup[]
}

/** A file of docs/queries, and what it is asked of. */
const QUERIES = {
  'one-run': ({ everything }) => everything,
  'failures-by-class': ({ tableChanged }) => [tableChanged],
  'runs-ended': ({ tableChanged }) => [tableChanged],
  'queue-wait': ({ jobStates }) => jobStates,
  'slow-api-calls': ({ apiAccess }) => [apiAccess],
  'refused-requests': ({ api }) => [api],
  repairs: ({ reconciler }) => [reconciler],
} as const satisfies Record<string, (logs: TeamLogs) => readonly ILogGroup[]>

export type QueryName = keyof typeof QUERIES

/** The query without its comment. */
export function queryText(name: QueryName): string {
  const lines = readFileSync(join(folder, `${name}.insights`), 'utf8')
    .trim()
    .split('\n')
  return lines.filter((line) => !line.startsWith('#')).join('\n')
}

/** As a widget and a saved query take them. */
export function logGroupNames(name: QueryName, logs: TeamLogs): string[] {
  return QUERIES[name](logs).map(({ logGroupName }) => logGroupName)
}

/** The files of docs/queries as saved queries of CloudWatch Logs Insights, under the team's name. */
export class Queries extends Construct {
  constructor(scope: Construct, id: string, { logs }: { readonly logs: TeamLogs }) {
    super(scope, id)
    for (const name of Object.keys(QUERIES) as QueryName[]) {
      new CfnQueryDefinition(this, name, {
        // Its slash makes a folder in the console; two stacks of one team do not meet.
        name: `${Stack.of(this).stackName}/${name}`,
        queryString: queryText(name),
        logGroupNames: logGroupNames(name, logs),
      })
    }
  }
}
