import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makePlan } from '../../core/plan.ts'
import { awsEnvironment } from '../../local/embedded.ts'
import { type Emulator, emulatorHealth, startEmulator } from '../../local/emulator.ts'
import { ContainerStore, missingContainerTools } from '../support/containers.ts'
import { freePort } from '../support/processes.ts'
import { capacityOption, deployment, recipe } from '../support/recipes.ts'

const VARIANT = process.env.VARIANT ?? 'main'
const IMAGE = `localhost/roslin-trainer-${VARIANT}`
const BUCKET = 'team-bucket'
const missing = missingContainerTools()
if (missing.length > 0)
  process.stderr.write(`The image's tests are skipped: there is no ${missing.join(', ')}.\n`)

describe.skipIf(missing.length > 0)(`the trainer's image, ${VARIANT}`, () => {
  const store = new ContainerStore()
  const inside = (...command: [string, ...string[]]) =>
    store.run(IMAGE, ['--entrypoint', command[0]], command.slice(1))

  beforeAll(async () => {
    await store.importBase()
    const cache = process.env.UV_CACHE_DIR ?? join(homedir(), '.cache/uv')
    await store.build('containers/trainer', VARIANT, IMAGE, cache)
  })
  afterAll(() => store.remove())

  it('runs as a user without rights', async () => {
    expect((await inside('id', '-u')).trim()).toBe('10001')
  })

  it('has nothing in it that builds or installs', async () => {
    const found = await inside(
      'sh',
      '-c',
      'for tool in gcc cc make pip pip3 uv cyclonedx-py; do command -v $tool; done; true',
    )
    expect(found).toBe('')
    await expect(inside('python', '-c', 'import pip')).rejects.toThrow('No module named')
  })

  it('has a list of what is in it, PyTorch with its version among them', async () => {
    const sbom = JSON.parse(await inside('cat', '/opt/trainer/sbom.json'))
    expect(sbom.bomFormat).toBe('CycloneDX')
    const locked = /^torch==(\S+)/m.exec(readFileSync(`containers/trainer/${VARIANT}.lock`, 'utf8'))?.[1]
    const torch = sbom.components.find(({ name }: { name: string }) => name === 'torch')
    expect(torch.version).toBe(locked)
  })

  const script = (name: string, ...args: string[]) =>
    store.run(
      IMAGE,
      ['--volume', `${resolve('containers/trainer/tests', name)}:/script.py:ro`, '--entrypoint', 'python'],
      ['/script.py', ...args],
    )

  it('imports all that a GPU’s rank does, without a compiler', async () => {
    expect((await script('imports_on_a_gpu.py')).trim().split('\n').at(-1)).toBe('cuda')
  })

  it.each(['fp32', 'fp16'])('leaves out a step without a number, in %s', async (precision) => {
    const said = (await script('bad_step.py', 'none', precision)).trim().split('\n').at(-1)
    const { norms, weights } = JSON.parse(said ?? '')
    expect([norms[1], weights]).toEqual(['inf', [0.9, 0.9, 0.8]])
  })

  describe('given a plan, a bucket and a read-only root', () => {
    const folder = mkdtempSync(join(tmpdir(), 'roslin-image-run-'))
    let emulator: Emulator
    let s3: S3Client
    let step: (name: string) => Promise<string>

    const plan = makePlan(
      { runId: '01JD0000000000000000000000', createdAt: '2026-11-24T06:00:00.000Z' },
      recipe({
        baseModel: { source: `s3://${BUCKET}/data/model/`, licence: 'MIT', parameters: 30_000 },
        dataset: { source: `s3://${BUCKET}/data/rows.json`, licence: 'MIT' },
        training: { batchSizePerGpu: 4, epochs: 1, learningRate: 0.01 },
        resources: { gpus: 0 },
      }),
      {
        model: { parameters: 30_000, contextTokens: 1024, contentKey: 'tiny' },
        dataset: { sha256: sha256(rows()), rows: 20 },
      },
      deployment({ bucket: BUCKET, capacity: [capacityOption('m7i.2xlarge')] }),
    )

    beforeAll(async () => {
      const port = await freePort()
      emulator = await startEmulator({ port, images: {}, jobSlots: 1, background: false })
      const health = await emulatorHealth(port)
      if (!health) throw new Error('the emulator ended as soon as it had started')
      const aws = awsEnvironment({ ...health, port })
      Object.assign(process.env, aws)
      s3 = new S3Client({ forcePathStyle: true })
      await s3.send(new CreateBucketCommand({ Bucket: BUCKET }))
      const put = (Key: string, Body: string | Buffer) =>
        s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body }))
      // By the image's own Transformers: an older one does not read what a newer one wrote.
      const script = ['--volume', `${resolve('test/support/tiny_model.py')}:/tiny_model.py:ro`]
      mkdirSync(join(folder, 'model'))
      const out = ['--volume', `${join(folder, 'model')}:/model`, '--user', '0', '--entrypoint', 'python']
      await store.run(IMAGE, [...script, ...out], ['/tiny_model.py', '/model'])
      for (const file of readdirSync(join(folder, 'model'))) {
        await put(`data/model/${file}`, readFileSync(join(folder, 'model', file)))
      }
      await put('data/rows.json', rows())
      const planUri = `${plan.runUri}plan.json`
      await put(planUri.slice(`s3://${BUCKET}/`.length), JSON.stringify(plan))
      step = (name) =>
        store.run(IMAGE, [
          ...Object.entries(aws).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
          ...['--env', `ROSLIN_PLAN_URI=${planUri}`, '--env', `ROSLIN_STEP=${name}`],
          ...['--read-only', '--tmpfs', '/tmp:rw,exec,mode=1777'],
        ])
    })
    afterAll(async () => {
      await emulator?.stop()
      rmSync(folder, { recursive: true, force: true })
    })

    it('prepares, and commits the model and the rows by their manifests', async () => {
      await step('prepare')
      expect(await keys(plan.baseModel.mirrorUri)).toContain('manifest.json')
      expect(await keys(plan.preparedUri)).toContain('manifest.json')
    })

    it('trains on the processor, and leaves a whole model', async () => {
      await step('train')
      const files = await keys(plan.modelUri)
      const { Body } = await s3.send(
        new GetObjectCommand({ Bucket: BUCKET, Key: keyOf(`${plan.modelUri}manifest.json`) }),
      )
      const manifest = JSON.parse((await Body?.transformToString()) ?? '')
      expect(manifest.kind).toBe('model')
      expect(files).toContain('config.json')
    })

    async function keys(folderUri: string): Promise<string[]> {
      const Prefix = keyOf(folderUri)
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix }))
      return Contents.map(({ Key = '' }) => Key.slice(Prefix.length))
    }
  })
})

const keyOf = (uri: string) => uri.slice(`s3://${BUCKET}/`.length)

function rows(): string {
  return JSON.stringify(
    Array.from({ length: 20 }, (_, number) => ({ instruction: `Count to ${number}.`, output: 'Baa!' })),
  )
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
