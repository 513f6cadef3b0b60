import { Client } from '../client.ts'
import type { DeploymentOptions } from '../commands/options.ts'
import { print, printJson } from '../output.ts'

/** Asks the deployment, and shows what it answered: on a page, or as it is. */
export async function show<T>(
  options: DeploymentOptions,
  ask: (client: Client) => Promise<T>,
  page: (answer: T) => string,
): Promise<void> {
  const answer = await ask(await Client.connect(options))
  if (options.json) printJson(answer)
  else print(page(answer))
}
