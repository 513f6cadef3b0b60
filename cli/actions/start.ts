import { once } from 'node:events'
import { join } from 'node:path'
import { heedInterruption, interruption } from '../../local/interruption.ts'
import { root } from '../../local/paths.ts'
import { up } from '../../local/up.ts'
import { Client } from '../client.ts'
import { CLI_EXIT } from '../exit-codes.ts'
import { say } from '../output.ts'
import { readRecipe } from '../recipe-file.ts'
import { checkRecipe, printOutcome, startRun } from '../run-and-follow.ts'
import { watchRun } from '../watch.ts'
import { portOf, type UpOptions } from './embedded.ts'

const TEAM = 'demo'
const DEFAULT_RECIPE = join(root, 'recipes/dolly-mini.yaml')

type StartOptions = Omit<UpOptions, 'team'> & { readonly once?: true }

export async function start(recipe = DEFAULT_RECIPE, options: StartOptions): Promise<void> {
  heedInterruption()
  // A recipe that cannot be used is told of before minutes of set-up, not after.
  readRecipe(recipe)
  const port = portOf(options)
  const { embedded, own } = await up({ ...options, port, team: TEAM, background: false })
  try {
    const client = await Client.connect({ team: embedded.team })
    const run = await startRun(client, await checkRecipe(recipe), interruption)
    say(`run ${run.runId} of ${recipe}`)
    const ended = await watchRun(client, run.runId, interruption)
    await printOutcome(client, ended)
    process.exitCode = ended.status === 'succeeded' ? CLI_EXIT.ok : CLI_EXIT.failed
    if (options.once) return
    say(`The embedded AWS serves on port ${embedded.port}: try \`npx roslin runs list\` in another terminal.`)
    if (!own) return
    say('Ctrl-C ends it.')
    if (!interruption.aborted) await Promise.race([once(interruption, 'abort'), own.ended])
  } finally {
    if (own) {
      say(
        own.isRunning()
          ? 'Stopping the embedded AWS; what it holds stays on disk.'
          : 'The embedded AWS has ended, and not by this command; what it held is on disk.',
      )
      await own.stop()
    }
  }
}
