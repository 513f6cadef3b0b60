import { Client } from '../client.ts'
import type { DeploymentOptions } from '../commands/options.ts'
import { teamPage } from '../format.ts'
import { print, printJson } from '../output.ts'

export async function showTeam(options: DeploymentOptions): Promise<void> {
  const client = await Client.connect(options)
  const team = await client.getTeam()
  if (options.json) printJson(team)
  else print(teamPage(team))
}
