import { ulid } from 'ulid'
import { inBucket } from '../core/deployed-recipe.ts'
import { type ErrorCode, RoslinError } from '../core/errors.ts'
import { isUnchanged, UNCHANGED } from '../core/fingerprint.ts'
import { runsNamed } from '../core/firing.ts'
import { hasEnded } from '../core/run.ts'
import type { OpenFiring, Starting } from '../core/store/firing-store.ts'
import { firings, runs } from './clients.ts'
import { deployment } from './environment.ts'
import { startExecution } from './executions.ts'
import { logger } from './logger.ts'
import { planRecipe } from './pinning.ts'
import { readPlan } from './s3-json.ts'
import { startRun } from './start-run.ts'

/** As many of a schedule's firings are looked at for its last run. */
const LOOKED_AT = 100

/** What passes by itself: the sweep tries again whenever a run ends, and every few minutes. */
const AWAITED: Partial<Record<ErrorCode, string>> = { TOO_MANY_RUNS: 'a place', HUB_UNREACHABLE: 'the Hub' }

/** Starts the run of a claimed firing. Done again, it is the same run; what cannot be planned or paid is refused for good. */
export async function startFiring(firing: Starting): Promise<void> {
  const { origin, key, runId, recipe: stored, startedBy, whenUnchanged } = firing
  if (!stored) throw new Error(`the firing ${key} of ${origin} has no recipe`)
  try {
    const known = await runs.get(runId)
    if (known) {
      // Whoever was here before died after it was stored.
      if (!hasEnded(known.run.status)) await startExecution(known.run)
      return await firings.decide(firing, { status: 'started' }, true)
    }
    const recipe = inBucket(stored, deployment().bucket)
    const sameAs = whenUnchanged === 'skip' ? await unchangedSince(firing, recipe) : undefined
    if (sameAs) {
      return await firings.decide(firing, { status: 'skipped', note: UNCHANGED, sameAs }, false)
    }
    await startRun(recipe, startedBy, { runId, createdAt: new Date().toISOString() })
    await firings.decide(firing, { status: 'started' }, true)
    logger.info('started by a firing', { origin, key, runId })
  } catch (error) {
    if (!(error instanceof RoslinError)) throw error
    const { code, message, nextStep } = error
    const awaited = AWAITED[code]
    if (awaited) return firings.wait(firing, { code, note: `It waits for ${awaited}: ${message}` })
    logger.warn('firing refused', { origin, key, code })
    await firings.decide(
      firing,
      { status: 'refused', code, note: `${message} ${nextStep}` },
      code === 'RUN_NOT_STARTED',
    )
  }
}

/** The run whose plan would be planned again; undefined where something has changed, or nothing has succeeded yet. */
async function unchangedSince({ origin, key, runId = '' }: OpenFiring, recipe: OpenFiring['recipe']) {
  const last = recipe && (await lastSuccess(origin, key))
  const previous = last?.planUri && (await readPlan(last.planUri))
  if (!recipe || !last || !previous) return undefined
  const plan = await planRecipe({ runId, createdAt: new Date().toISOString() }, recipe, deployment())
  return isUnchanged(plan, previous) ? last.runId : undefined
}

async function lastSuccess(origin: string, before: string) {
  const earlier = (await firings.newest(origin, LOOKED_AT)).filter(({ key }) => key < before)
  for (const runId of runsNamed(earlier)) {
    const run = (await runs.get(runId))?.run
    if (run?.status === 'succeeded') return run
  }
  return undefined
}

export async function claimAndStart(waiting: Pick<OpenFiring, 'origin' | 'key'>): Promise<void> {
  const firing = await firings.claim(waiting, ulid(), new Date())
  if (firing) await startFiring(firing)
}
