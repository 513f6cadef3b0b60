import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasEnded } from '../../core/run.ts'
import type { Deployment } from '../support/deployment.ts'
import { OwnEmulator } from '../support/own-emulator.ts'
import { gone, isAlive } from '../support/processes.ts'

const own = new OwnEmulator('restart')
let deployment: Deployment

beforeAll(async () => {
  deployment = await own.start()
})

afterAll(() => own.remove())

/** A run that has got as far as its trainer, and the trainer's process. */
async function trainingRun() {
  const { runId } = await deployment.start('train:sleep=600')
  await deployment.until(runId, 'trains', ({ status }) => status === 'training')
  return { runId, trainer: await deployment.processOf(runId, 'train') }
}

describe('an embedded AWS that is killed with -9 while a run trains', () => {
  it('leaves no process, and a run that says it has failed once it is back', async () => {
    const { runId: succeeded } = await deployment.ended((await deployment.start()).runId)
    const { runId, trainer } = await trainingRun()
    const { runId: queued } = await deployment.start('prepare:sleep=600')
    own.kill()
    await gone('the trainer', () => (isAlive(trainer) ? [trainer] : []))
    await own.gone()

    deployment = await own.start()
    for (const id of [runId, queued]) {
      const run = await deployment.until(id, 'ends', ({ status }) => hasEnded(status))
      expect(run).toMatchObject({ status: 'failed', failure: { nextStep: expect.any(String) } })
      expect(run.timeline.at(-1)?.status).toBe('failed')
    }
    // The job's own event comes after its execution's; a job that was submitted after the last snapshot is not known.
    await deployment.until(runId, 'has a failed job', ({ attempts }) =>
      attempts.some(({ jobStatus }) => jobStatus === 'FAILED'),
    )
    const { runs } = await deployment.client.listRuns(10, undefined)
    expect(runs.map((run) => [run.runId, run.status])).toEqual([
      [queued, 'failed'],
      [runId, 'failed'],
      [succeeded, 'succeeded'],
    ])
  })

  it('runs again, with its models and their numbers as they were', async () => {
    const run = await deployment.ended((await deployment.start()).runId)
    expect(run.status).toBe('succeeded')
    expect(run.model?.version).toBe(2)
    expect(await deployment.read(run.planUri ?? '')).toMatchObject({ runId: run.runId })
  })
})

describe('an embedded AWS that is killed with -9 while runs are started', () => {
  it.each([0, 60, 150, 300, 1200])(
    'knows each run that it accepted, and lets none stay unended (after %i ms)',
    async (milliseconds) => {
      const accepted: string[] = []
      const starting = [1, 2, 3].map(async () => {
        const { runId } = await deployment.start()
        accepted.push(runId)
      })
      await setTimeout(milliseconds)
      own.kill()
      await Promise.allSettled(starting)
      await own.gone()

      deployment = await own.start()
      const { runs } = await deployment.client.listRuns(100, undefined)
      expect(runs.map(({ runId }) => runId)).toEqual(expect.arrayContaining(accepted))
      for (const { runId } of runs) {
        const { status } = await deployment.until(runId, 'ends', (run) => hasEnded(run.status))
        expect(['succeeded', 'failed']).toContain(status)
      }
    },
  )
})

describe('an embedded AWS that is stopped while a run trains', () => {
  it('lets the trainer save, leaves no process, and the run is failed once it is back', async () => {
    const { runId, trainer } = await trainingRun()
    await own.stop()
    expect(isAlive(trainer)).toBe(false)
    await own.gone()

    deployment = await own.start()
    const run = await deployment.until(runId, 'ends', ({ status }) => hasEnded(status))
    expect(run.status).toBe('failed')
    const { lines } = await deployment.client.getLogs(runId, undefined)
    expect(lines.map(({ message }) => message)).toContain('told to stop')
  })
})
