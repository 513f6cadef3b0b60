import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

// Before anything of local/ is imported: the bench keeps what it makes in a folder of its own.
const stateFolder = mkdtempSync(join(tmpdir(), 'roslin-bench-'))
process.env.ROSLIN_STATE_DIR = stateFolder

const { endpointOf, startEmulator } = await import('../local/emulator.ts')
const { paths, root } = await import('../local/paths.ts')
const { ensurePython } = await import('../local/python.ts')

const PORT = 4792
const run = promisify(execFile)
export const { python } = paths

/** Runs a Python script of this folder against the S3 of the embedded AWS. @returns the JSON of its last line. */
export async function measureOnLoopbackS3(script: string, args: readonly string[]): Promise<unknown> {
  await ensurePython()
  const emulator = await startEmulator({ port: PORT, images: {}, jobSlots: 1, background: false })
  try {
    const { stdout } = await run(python, [join(root, 'bench', script), ...args], {
      env: {
        ...process.env,
        PYTHONPATH: join(root, 'containers/trainer/src'),
        // One core trains, the other serves S3: as on a machine where transfers and training do not share cores.
        OMP_NUM_THREADS: '1',
        AWS_ENDPOINT_URL: endpointOf(PORT),
        AWS_ACCESS_KEY_ID: 'bench',
        AWS_SECRET_ACCESS_KEY: 'bench',
        AWS_DEFAULT_REGION: 'us-east-1',
        AWS_EC2_METADATA_DISABLED: 'true',
      },
      maxBuffer: 2 ** 24,
    })
    return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
  } finally {
    await emulator.stop()
    rmSync(stateFolder, { recursive: true })
  }
}
