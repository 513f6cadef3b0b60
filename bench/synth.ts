import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CloudFormationClient, paginateDescribeStackEvents } from '@aws-sdk/client-cloudformation'
import { type Bench, type Figure, figure, median } from './figure.ts'

// Before anything of local/ is imported: the bench keeps what it makes in a folder of its own.
const stateFolder = mkdtempSync(join(tmpdir(), 'roslin-bench-'))
process.env.ROSLIN_STATE_DIR = stateFolder

const { ensureDeployed } = await import('../local/deploy.ts')
const { awsEnvironment, remember } = await import('../local/embedded.ts')
const { emulatorHealth, startEmulator } = await import('../local/emulator.ts')
const { root } = await import('../local/paths.ts')
const { ensurePython } = await import('../local/python.ts')

const TEAM = 'demo'
const STACKS = ['State', 'ControlPlane'].map((name) => `Roslin-${TEAM}-${name}`)
const PORT = 4796
const REPETITIONS = 5
const TARGET_SECONDS = 5
/** CloudFormation's own, for a template from S3. */
const MAX_TEMPLATE_KILOBYTES = 1000
const MAX_RESOURCES = 500

/** `cdk synth` as a person runs it, all bundles made anew; the templates' sizes; and how long each stack takes to deploy. */
export async function measure(): Promise<Bench> {
  try {
    const { context } = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8'))
    const output = join(stateFolder, 'cdk.out')
    const cdk = join(root, 'node_modules/.bin/cdk')
    const bundles = join(stateFolder, 'bundles')
    const all = {
      'cdk synth': () => seconds(cdk, ['synth', '--quiet', '-c', `team=${TEAM}`, '--output', output]),
      'of that, the app': () =>
        seconds(process.execPath, ['infra/app.ts'], {
          CDK_OUTDIR: join(stateFolder, 'app.out'),
          CDK_CONTEXT_JSON: JSON.stringify({ ...context, team: TEAM }),
        }),
      'of that, the bundles': () => seconds(process.execPath, ['infra/bundling/bundle-all.ts', bundles]),
      'import of aws-cdk-lib': () => seconds(process.execPath, ['-e', "import('aws-cdk-lib')"]),
    }
    const rounds = Array.from({ length: REPETITIONS + 1 }, () => Object.values(all).map((run) => run()))
    const [synth = Number.NaN, app = Number.NaN, bundling = Number.NaN, library = Number.NaN] = Object.keys(
      all,
    ).map((_, index) => median(rounds.slice(1).map((round) => round[index] ?? Number.NaN)))
    const baseline = { name: 'import of aws-cdk-lib', value: Number(library.toPrecision(4)) }
    return {
      name: 'synth',
      figures: [
        figure('cdk synth, warm', synth, 's', { target: TARGET_SECONDS, baseline }),
        figure('of that, the app', app, 's', { baseline }),
        figure('of that, the bundles', bundling, 's', { baseline }),
        ...STACKS.flatMap((stack) => sizes(join(output, `${stack}.template.json`), stack)),
        ...(await deployments()),
      ],
      notes: [`Medians of ${REPETITIONS} in turns, after a first round that warms the disk's cache.`],
    }
  } finally {
    rmSync(stateFolder, { recursive: true })
  }
}

function seconds(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): number {
  const began = performance.now()
  const { status, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, CDK_DISABLE_VERSION_CHECK: '1', CI: 'true', ...env },
  })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr}`)
  return (performance.now() - began) / 1000
}

function sizes(file: string, stack: string): readonly Figure[] {
  const { Resources } = JSON.parse(readFileSync(file, 'utf8'))
  return [
    figure(`${stack}: template`, statSync(file).size / 1000, 'kB', { target: MAX_TEMPLATE_KILOBYTES }),
    figure(`${stack}: resources`, Object.keys(Resources).length, 'resources', { target: MAX_RESOURCES }),
  ]
}

/** From each stack's first event to its last, on the embedded AWS. */
async function deployments(): Promise<readonly Figure[]> {
  await ensurePython()
  const emulator = await startEmulator({
    port: PORT,
    images: {},
    jobSlots: 1,
    background: false,
  })
  try {
    const health = await emulatorHealth(PORT)
    if (!health) throw new Error('the emulator is gone')
    const embedded = { ...health, port: PORT, pid: emulator.pid, team: TEAM }
    remember(embedded)
    const began = performance.now()
    await ensureDeployed(embedded)
    const total = (performance.now() - began) / 1000
    Object.assign(process.env, awsEnvironment(embedded))
    const client = new CloudFormationClient({})
    const figures: Figure[] = []
    for (const stack of STACKS) {
      const times: number[] = []
      for await (const { StackEvents = [] } of paginateDescribeStackEvents({ client }, { StackName: stack }))
        times.push(...StackEvents.map(({ Timestamp }) => Timestamp?.getTime() ?? Number.NaN))
      figures.push(figure(`${stack}: deploy`, (Math.max(...times) - Math.min(...times)) / 1000, 's'))
    }
    return [...figures, figure('all of it: bootstrap, synth, assets, both stacks', total, 's')]
  } finally {
    await emulator.stop()
  }
}
