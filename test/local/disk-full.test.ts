import { describe, expect, it } from 'vitest'
import { run } from '../../local/command.ts'
import { root } from '../../local/paths.ts'
import { missingPrerequisites } from '../../local/prerequisites.mjs'
import { rejectionOf } from '../support/thrown.ts'

// Linux lends a device that is always full, and a file system with nothing free.
describe.runIf(process.platform === 'linux')('a full disk', () => {
  it('is named when a command of the set-up runs into it', async () => {
    const error = await rejectionOf(run('cp', ['package.json', '/dev/full']))
    expect(error.code).toBe('DISK_FULL')
    expect(error.message).toContain('The disk is full')
    expect(error.nextStep).toContain('Make room')
  })

  it('is found before anything is installed, with what there is and what is needed', () => {
    expect(missingPrerequisites('/proc', false)).toEqual([
      'The disk has 0.0 GiB free, 12 are needed: make room, or clone to another disk.',
    ])
    expect(missingPrerequisites('/proc', true)[0]).toContain('2 are needed')
    expect(missingPrerequisites(root, true)).toEqual([])
  })
})
