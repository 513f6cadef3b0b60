import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { hasEnded } from '../../core/run.ts'
import type { Emulator } from '../../local/emulator.ts'
import type { Deployment as DeploymentType } from '../support/deployment.ts'
import { JOB_SLOTS, stubImage } from '../support/embedded-aws.ts'
import { freePort, gone, isAlive, processesOf } from '../support/processes.ts'

// An emulator of this file's own, to be killed. local/paths.ts reads the folder when it is imported.
const stateDir = join(mkdtempSync(join(tmpdir(), 'roslin-restart-')), 'state')
process.env.ROSLIN_STATE_DIR = stateDir
const { startEmulator } = await import('../../local/emulator.ts')
const { Deployment } = await import('../support/deployment.ts')

const { account, region, deployedState } = inject('embedded')
const port = await freePort()
let emulator: Emulator
let deployment: DeploymentType

async function start() {
  emulator = await startEmulator({ port, images: stubImage, jobSlots: JOB_SLOTS, background: false })
  deployment = await Deployment.open({ port, account, region })
}

beforeAll(async () => {
  cpSync(deployedState, stateDir, { recursive: true })
  await start()
})

afterAll(async () => {
  await emulator.stop()
  await gone('the emulator', () => processesOf(stateDir))
  rmSync(join(stateDir, '..'), { recursive: true, force: true })
})

const running = () => processesOf(stateDir)

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
    process.kill(emulator.pid, 'SIGKILL')
    await gone('the trainer', () => (isAlive(trainer) ? [trainer] : []))
    await gone('every process of the emulator', running)

    await start()
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
      process.kill(emulator.pid, 'SIGKILL')
      await Promise.allSettled(starting)
      await gone('every process of the emulator', running)

      await start()
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
    await emulator.stop()
    expect(isAlive(trainer)).toBe(false)
    await gone('every process of the emulator', running)

    await start()
    const run = await deployment.until(runId, 'ends', ({ status }) => hasEnded(status))
    expect(run.status).toBe('failed')
    const { lines } = await deployment.client.getLogs(runId, undefined)
    expect(lines.map(({ message }) => message)).toContain('told to stop')
  })
})
