import { execFileSync } from 'node:child_process'
import { statfsSync } from 'node:fs'

/** PyTorch with its CUDA libraries is 6 GB installed; a model, its checkpoints and caches want the rest. */
const NEEDED_GIB = 12
const OLDEST_PYTHON = [3, 10]
const NEWEST_PYTHON = [3, 14]

/** A sentence for each thing that this machine lacks; empty when it has everything. */
export function missingPrerequisites(/** @type {string} */ root, /** @type {boolean} */ installed) {
  const missing = []
  const [major] = process.versions.node.split('.').map(Number)
  if ((major ?? 0) < 20) {
    missing.push(`Node.js ${process.versions.node} is too old: install Node.js 20 or newer.`)
  }
  if (!findPython()) {
    missing.push(
      `No Python ${OLDEST_PYTHON.join('.')} to ${NEWEST_PYTHON.join('.')} was found as python3 or python: install one, or name it in ROSLIN_PYTHON.`,
    )
  }
  const { bavail, bsize } = statfsSync(root)
  const freeGib = (bavail * bsize) / 2 ** 30
  const neededGib = installed ? 2 : NEEDED_GIB
  if (freeGib < neededGib) {
    missing.push(
      `The disk has ${freeGib.toFixed(1)} GiB free, ${neededGib} are needed: make room, or clone to another disk.`,
    )
  }
  return missing
}

/** The command of a Python that can run the trainer. @returns {string | undefined} */
export function findPython() {
  const candidates = process.env.ROSLIN_PYTHON ? [process.env.ROSLIN_PYTHON] : ['python3', 'python']
  return candidates.find((command) => {
    try {
      const version = execFileSync(command, ['-c', 'import sys; print(*sys.version_info[:2])'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      const [major, minor] = version.trim().split(' ').map(Number)
      return (
        major === OLDEST_PYTHON[0] &&
        minor !== undefined &&
        minor >= /** @type {number} */ (OLDEST_PYTHON[1]) &&
        minor <= /** @type {number} */ (NEWEST_PYTHON[1])
      )
    } catch {
      return false
    }
  })
}
