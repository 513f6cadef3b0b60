import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** All temporary files of a project's tests, and of what they start, lie in one folder, which goes with them. */
export default function setup(): () => void {
  const { TMPDIR, ROSLIN_STATE_DIR } = process.env
  const folder = mkdtempSync(join(tmpdir(), 'roslin-test-'))
  process.env.TMPDIR = folder
  // Else an emulator would find what an earlier one has left beside the code.
  process.env.ROSLIN_STATE_DIR = join(folder, 'state')
  return () => {
    restore({ TMPDIR, ROSLIN_STATE_DIR })
    rmSync(folder, { recursive: true, force: true })
  }
}

function restore(before: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(before)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
}
