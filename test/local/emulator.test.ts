import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type Emulator, startEmulator } from '../../local/emulator.ts'
import { freePort } from '../support/processes.ts'
import { rejectionOf } from '../support/thrown.ts'

describe('the embedded AWS as a process', () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'roslin-emulator-'))
  const start = async (port?: number) =>
    startEmulator({ port: port ?? (await freePort()), images: {}, jobSlots: 1, background: false, stateDir })
  let emulator: Emulator | undefined
  afterEach(() => emulator?.stop())

  it('is named with its port and its process when it is started once more, on the same port or another', async () => {
    emulator = await start()
    for (const port of [emulator.port, await freePort()]) {
      const error = await rejectionOf(start(port))
      expect(error.code).toBe('ALREADY_RUNS')
      expect(error.message).toContain(`port ${emulator.port}, process ${emulator.pid}`)
    }
    expect(emulator.isRunning()).toBe(true)
  })

  it('is no more once something else has ended it: nothing is sent to the number of its process', async () => {
    emulator = await start()
    process.kill(emulator.pid, 'SIGTERM')
    await emulator.ended
    expect(emulator.isRunning()).toBe(false)
    const kill = vi.spyOn(process, 'kill')
    await emulator.stop().finally(() => kill.mockRestore())
    expect(kill).not.toHaveBeenCalled()
  })
})
