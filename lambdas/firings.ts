import { ulid } from 'ulid'
import { inBucket } from '../core/deployed-recipe.ts'
import { type ErrorCode, RoslinError } from '../core/errors.ts'
import { isUnchanged, UNCHANGED } from '../core/fingerprint.ts'
import { hasEnded } from '../core/run.ts'
import type { OpenFiring } from '../core/store/firing-store.ts'
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

/** A firing that is being started, as this run. */
export type Starting = OpenFiring & { readonly runId: string }

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
  for (const { key, runId, sameAs } of await firings.newest(origin, LOOKED_AT)) {
    const candidate = sameAs ?? runId
    if (key >= before || !candidate) continue
    const run = (await runs.get(candidate))?.run
    if (run?.status === 'succeeded') return run
  }
  return undefined
}

/** Once: of several that try, one. Undefined where it is not to be started, by now. */
export async function claim({
  origin,
  key,
}: Pick<OpenFiring, 'origin' | 'key'>): Promise<Starting | undefined> {
  await firings.claim({ origin, key }, ulid(), new Date().toISOString())
  // Read again: an occasion may have joined it in the last moment. One that was claimed and not ended is gone on with.
  const firing = await firings.get(origin, key)
  return firing?.status === 'starting' && firing.runId ? { ...firing, runId: firing.runId } : undefined
}

export async function claimAndStart(waiting: Pick<OpenFiring, 'origin' | 'key'>): Promise<void> {
  const firing = await claim(waiting)
  if (firing) await startFiring(firing)
}
