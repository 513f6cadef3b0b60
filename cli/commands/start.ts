import { once } from 'node:events'
import { join } from 'node:path'
import type { Command } from 'commander'
import { heedInterruption, interruption } from '../../local/interruption.ts'
import { root } from '../../local/paths.ts'
import { up } from '../../local/up.ts'
import { Client } from '../client.ts'
import { CLI_EXIT } from '../exit-codes.ts'
import { say } from '../output.ts'
import { readRecipe } from '../recipe-file.ts'
import { checkRecipe, printOutcome, startRun } from '../run-and-follow.ts'
import { findTarget } from '../target.ts'
import { watchRun } from '../watch.ts'
import { DEMO_TEAM } from './embedded.ts'
import { jobSlotsOption, portOption, trainerOption } from './options.ts'

const DEFAULT_RECIPE = join(root, 'recipes/dolly-mini.yaml')

export function addStartCommand(program: Command): void {
  program
    .command('start')
    .description('everything at once: the embedded AWS, a run of a recipe, its answers (npm start)')
    .argument('[recipe]', 'a recipe file', DEFAULT_RECIPE)
    .option('--once', 'end when the run has ended; 0 only when it succeeded')
    .addOption(portOption())
    .addOption(jobSlotsOption())
    .addOption(trainerOption())
    .action(
      async (
        recipe: string,
        options: { once?: boolean; port: number; jobSlots: number; trainer?: string },
      ) => {
        heedInterruption()
        // A recipe that cannot be used is told of before minutes of set-up, not after.
        readRecipe(recipe)
        const { embedded, stop } = await up({ ...options, team: DEMO_TEAM, background: false })
        try {
          const client = new Client(await findTarget(embedded.team))
          const run = await startRun(client, await checkRecipe(recipe))
          say(`run ${run.runId} of ${recipe}`)
          const ended = await watchRun(client, run.runId, interruption)
          await printOutcome(client, ended)
          process.exitCode = ended.status === 'succeeded' ? CLI_EXIT.ok : CLI_EXIT.failed
          if (options.once) return
          say(
            `The embedded AWS serves on port ${embedded.port}: try \`npx roslin runs list\` in another terminal.`,
          )
          if (!stop) return
          say('Ctrl-C ends it.')
          if (!interruption.aborted) await untilInterrupted()
        } finally {
          if (stop) {
            say('Stopping the embedded AWS; what it holds stays on disk.')
            await stop()
          }
        }
      },
    )
}

/** An abort listener alone does not keep a process alive. */
async function untilInterrupted(): Promise<void> {
  const keepAlive = setInterval(() => {}, 60_000)
  await once(interruption, 'abort').finally(() => clearInterval(keepAlive))
}
