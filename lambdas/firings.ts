import { ulid } from 'ulid'
import { inBucket } from '../core/deployed-recipe.ts'
import { RoslinError } from '../core/errors.ts'
import { isUnchanged, UNCHANGED } from '../core/fingerprint.ts'
import { isDue } from '../core/firing.ts'
import { planSchema } from '../core/plan.ts'
import { hasEnded, type RunStatus } from '../core/run.ts'
import type { OpenFiring } from '../core/store/firing-store.ts'
import { firings, runs } from './clients.ts'
import { deployment } from './environment.ts'
import { startExecution } from './executions.ts'
import { logger } from './logger.ts'
import { planRecipe } from './pinning.ts'
import { readJson } from './s3-json.ts'
import { startRun } from './start-run.ts'

/** As many of a schedule's firings are looked at for its last run. */
const LOOKED_AT = 100

/** Starts the run of a claimed firing. Done again, it is the same run; what cannot be planned or paid is refused for good. */
export async function startFiring(firing: OpenFiring & { readonly runId: string }): Promise<void> {
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
    await startRun(recipe, startedBy, runId)
    await firings.decide(firing, { status: 'started' }, true)
    logger.info('started by a firing', { origin, key, runId })
  } catch (error) {
    if (!(error instanceof RoslinError)) throw error
    const { code, message, nextStep } = error
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
  const previous = last?.planUri && (await readJson(last.planUri, planSchema))
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

/** Goes on with the firings that waited for what has come by now, and with those that somebody began and did not end. */
export async function sweepFirings(now: Date): Promise<void> {
  const failures: unknown[] = []
  for (const firing of await firings.listOpen()) {
    try {
      await sweep(firing, now)
    } catch (error) {
      logger.error('firing not started', { origin: firing.origin, key: firing.key, error: error as Error })
      failures.push(error)
    }
  }
  if (failures.length > 0)
    throw new Error(`${failures.length} firings could not be gone on with; the log has them`)
}

async function sweep(firing: OpenFiring, now: Date): Promise<void> {
  const status = await statusOf(firing.after)
  if (!isDue(firing, now, () => status)) return
  if (firing.status === 'starting' && firing.runId) await startFiring({ ...firing, runId: firing.runId })
  else await claimAndStart(firing)
}

/** Once: of several that try, one. */
export async function claimAndStart({ origin, key }: Pick<OpenFiring, 'origin' | 'key'>): Promise<void> {
  await firings.claim({ origin, key }, ulid(), new Date().toISOString())
  // Read again: an occasion may have joined it in the last moment. One that was claimed and not ended is gone on with.
  const firing = await firings.get(origin, key)
  if (firing?.status === 'starting' && firing.runId) await startFiring({ ...firing, runId: firing.runId })
}

async function statusOf(runId: string | undefined): Promise<RunStatus | undefined> {
  return runId === undefined ? undefined : (await runs.get(runId))?.run.status
}
