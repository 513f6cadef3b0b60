import { createHash } from 'node:crypto'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './command.ts'
import { awsEnvironment, type Embedded } from './embedded.ts'
import { paths, root } from './paths.ts'
import { withProgress } from './progress.ts'

/** What a deployment is made from. */
const SOURCES = [
  'core/**/*.{ts,json}',
  'infra/**/*.{ts,sh,yaml}',
  'lambdas/**/*.ts',
  'recipes/**/*.yaml',
  'cdk.json',
  'package-lock.json',
]

const cdk = join(root, 'node_modules/.bin/cdk')

/** Deploys the team with the same app and the same `cdk deploy` that goes to AWS; nothing where nothing has changed. */
export async function ensureDeployed(embedded: Embedded): Promise<void> {
  const stamp = join(paths.aws, `deployed-${embedded.team}`)
  const wanted = digestOf(embedded.team)
  if (readIfThere(stamp) === wanted) return
  rmSync(stamp, { force: true })
  await withProgress(`cdk deploy -c team=${embedded.team}`, async ({ note }) => {
    const env = {
      ...process.env,
      ...awsEnvironment(embedded),
      // CDK remembers accounts by access key, in its home: ours is not for the user's.
      CDK_HOME: paths.cdk,
      CDK_DISABLE_VERSION_CHECK: '1',
      CI: 'true',
    }
    const onLine = note
    // From a folder without an app: inside one, bootstrap would synthesise it without its assets.
    const empty = mkdtempSync(join(tmpdir(), 'roslin-bootstrap-'))
    try {
      note('bootstrapping')
      await run(cdk, ['bootstrap', `aws://${embedded.account}/${embedded.region}`], {
        env,
        cwd: empty,
        onLine,
      })
    } finally {
      rmSync(empty, { recursive: true })
    }
    note('synthesising')
    const output = join(paths.state, 'cdk.out')
    const args = [
      'deploy',
      '--all',
      '-c',
      `team=${embedded.team}`,
      '--require-approval',
      'never',
      '--progress',
      'events',
      '--output',
      output,
    ]
    await run(cdk, args, { env, onLine })
  })
  writeFileSync(stamp, wanted)
}

function digestOf(team: string): string {
  const digest = createHash('sha256')
  for (const file of [...globSync(SOURCES, { cwd: root }).sort(), `teams/${team}.yaml`]) {
    digest
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)))
  }
  return digest.digest('hex')
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
