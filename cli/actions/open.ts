import { executionName } from '../../core/run.ts'
import { Client } from '../client.ts'
import type { DeploymentOptions } from '../commands/options.ts'
import { print, printJson } from '../output.ts'
import { stackOutput } from '../target.ts'

export async function openRun(runId: string, options: DeploymentOptions): Promise<void> {
  const client = await Client.connect(options)
  const { target } = client
  // Asked first: a run that is not there has no page.
  const run = await client.getRun(runId)
  const url = target.isEmbedded
    ? `${target.apiUrl}/v1/runs/${run.runId}`
    : executionUrl(
        await stackOutput(target.team, 'StateMachineAliasArn'),
        executionName(run.runId, run.execution),
      )
  if (options.json) printJson({ url })
  else print(url)
}

/** In the console; AWS's partitions each have one of their own. */
export function executionUrl(aliasArn: string, name: string): string {
  const [, partition, , region] = aliasArn.split(':')
  const machine = aliasArn.replace(/:[^:]+$/, '')
  const arn = `${machine.replace(':stateMachine:', ':execution:')}:${name}`
  const domain = { 'aws-cn': 'amazonaws.cn', 'aws-us-gov': 'amazonaws-us-gov.com' }[partition ?? '']
  const host = domain ? `console.${domain}` : `${region}.console.aws.amazon.com`
  return `https://${host}/states/home?region=${region}#/v2/executions/details/${arn}`
}
