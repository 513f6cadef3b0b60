// Every test of the project, whatever the language: `npm test`. Sets up what they need, and ends with one line of counts.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import '../local/install.ts'
import { paths, root } from '../local/paths.ts'

interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

interface Suite {
  readonly name: string
  readonly command: string
  readonly args: (report: string) => readonly string[]
  readonly read: (report: string) => Counts
  readonly env?: NodeJS.ProcessEnv
}

const vitest = (project: string): Suite => ({
  name: `vitest, ${project}`,
  command: join(root, 'node_modules/.bin/vitest'),
  args: (report) => [
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ],
  read: (report) => {
    const { numPassedTests, numFailedTests, numFailedTestSuites, numPendingTests } = JSON.parse(
      readFileSync(report, 'utf8'),
    )
    // A file that could not be loaded has no failed test in it.
    return {
      passed: numPassedTests,
      failed: Math.max(numFailedTests, numFailedTestSuites ? 1 : 0),
      skipped: numPendingTests,
    }
  },
})

const pytest = (folder: string, source: string): Suite => ({
  name: `pytest, ${folder}`,
  command: paths.python,
  args: (report) => ['-m', 'pytest', '-q', join(root, folder), `--junitxml=${report}`],
  read: (report) => {
    const suite = /<testsuite [^>]*>/.exec(readFileSync(report, 'utf8'))?.[0] ?? ''
    const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1])
    const failed = count('failures') + count('errors')
    return { passed: count('tests') - failed - count('skipped'), failed, skipped: count('skipped') }
  },
  env: { ...process.env, PYTHONPATH: join(root, source) },
})

const trainer = pytest('containers/trainer/tests', 'containers/trainer/src')
const emulator = pytest('local/emulator/tests', 'local/emulator')

/**
 * Lanes run side by side, about a core each. Embedded tests wait for many runs at once, and not for long: what
 * trains for real is in the other lane, and nearly done when they begin.
 */
const lanes: readonly (readonly Suite[])[] = [
  [trainer, vitest('unit'), vitest('embedded')],
  [vitest('end-to-end'), emulator, vitest('chaos')],
]

const reports = mkdtempSync(join(tmpdir(), 'roslin-test-'))
const totals = { passed: 0, failed: 0, skipped: 0 }
await Promise.all(lanes.map(runSuites))
rmSync(reports, { recursive: true })
process.stdout.write(
  `\n${totals.passed} passed, ${totals.failed} failed${totals.skipped ? `, ${totals.skipped} skipped` : ''}\n`,
)
process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1

async function runSuites(suites: readonly Suite[]): Promise<void> {
  for (const suite of suites) {
    const { passed, failed, skipped } = await runSuite(suite)
    totals.passed += passed
    totals.failed += failed
    totals.skipped += skipped
  }
}

/** A suite that ends badly without a failed test in its report (or without a report) counts as one failure. */
async function runSuite(suite: Suite): Promise<Counts> {
  const { name, read } = suite
  const report = join(reports, name.replaceAll(/\W+/g, '-'))
  const code = await runBuffered(suite, report)
  try {
    const counts = read(report)
    return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts
  } catch {
    process.stderr.write(`${name} left no report (exit code ${code})\n`)
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

/** What it prints comes at its end, in one piece: another one runs beside it. */
async function runBuffered({ name, command, args, env }: Suite, report: string): Promise<number | null> {
  process.stdout.write(`▸ ${name}\n`)
  const child = spawn(command, args(report), {
    cwd: root,
    env: env ?? process.env,
    stdio: ['inherit', 'pipe', 'pipe'],
  })
  const printed: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => printed.push(part))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  process.stdout.write(Buffer.concat([Buffer.from(`\n── ${name}\n`), ...printed]))
  return code
}
