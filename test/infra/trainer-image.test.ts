import { cpSync, globSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { App, Stack } from 'aws-cdk-lib'
import { DockerImageAsset } from 'aws-cdk-lib/aws-ecr-assets'
import { describe, expect, it } from 'vitest'
import { parseTeam } from '../../core/team.ts'
import { trainerBuild } from '../../infra/constructs/trainer-image.ts'
import { root } from '../support/checked-in.ts'
import { everyCapacity, resourcesOf, synthesise, TRAINER_IMAGE } from '../support/stacks.ts'
import { thrownBy } from '../support/thrown.ts'

const folder = join(root, 'containers/trainer')
const { trainerImage: _, ...building } = everyCapacity

function imagesOf(team: Readonly<Record<string, unknown>>) {
  const { controlPlane } = synthesise(team)
  const definitions = resourcesOf(controlPlane, 'AWS::Batch::JobDefinition')
  const [first] = resourcesOf(controlPlane, 'AWS::Lambda::Function')
  return {
    ofJobs: definitions.map(([, { Properties }]) => JSON.stringify(Properties.ContainerProperties.Image)),
    ofPlans: JSON.stringify(first?.[1].Properties.Environment.Variables.TRAINER_IMAGE),
  }
}

/** As the CDK stages it: what the image is built from, and what its name is the hash of. */
function staged(change: (copy: string) => void = () => {}, variant: 'main' | 'driver515' = 'main') {
  const copy = mkdtempSync(join(tmpdir(), 'roslin-trainer-'))
  cpSync(folder, copy, { recursive: true })
  change(copy)
  const app = new App({ outdir: mkdtempSync(join(tmpdir(), 'roslin-image-')) })
  const asset = new DockerImageAsset(new Stack(app, 'Stack'), 'Image', {
    ...trainerBuild({ variant }),
    directory: copy,
  })
  return { hash: asset.assetHash, folder: join(app.outdir, `asset.${asset.assetHash}`) }
}

describe('the image of the jobs', () => {
  it("is the team's own by its digest, in every job and in every plan", () => {
    const { ofJobs, ofPlans } = imagesOf(everyCapacity)
    expect(new Set(ofJobs)).toEqual(new Set([`"${TRAINER_IMAGE}"`]))
    expect(ofPlans).toBe(`"${TRAINER_IMAGE}"`)
  })

  it('is built where none is named, one for all steps, under a name that no other content has', () => {
    const { ofJobs, ofPlans } = imagesOf(building)
    expect(new Set(ofJobs)).toEqual(new Set([ofPlans]))
    expect(ofPlans).toMatch(/container-assets-.*:[0-9a-f]{64}/)
    const driver515 = imagesOf({ ...building, trainerImage: { variant: 'driver515' } })
    expect(driver515.ofPlans).not.toBe(ofPlans)
  })

  it.each([
    'trainer',
    'trainer:1',
    'trainer:latest',
    '123456789012.dkr.ecr.us-east-1.amazonaws.com/trainer:v2',
  ])('is refused as %s: a tag can move under a run', (trainerImage) => {
    const { code, issues } = thrownBy(() => parseTeam({ ...everyCapacity, trainerImage }))
    expect([code, issues[0]?.path]).toEqual(['TEAM_INVALID', 'trainerImage'])
    expect(issues[0]?.message).toContain('by its digest')
  })

  it('may be a name of the embedded AWS, which starts processes', () => {
    const { trainerImage } = parseTeam({ ...everyCapacity, trainerImage: 'roslin/trainer:embedded' })
    expect(trainerImage).toBe('roslin/trainer:embedded')
  })

  it('keeps the layers of its build where the team says', () => {
    const { cacheFrom, cacheTo } = trainerBuild({ variant: 'main', buildCache: 'registry.example/cache' })
    expect(cacheFrom).toEqual([{ type: 'registry', params: { ref: 'registry.example/cache' } }])
    expect(cacheTo).toMatchObject({
      type: 'registry',
      params: { ref: 'registry.example/cache', mode: 'max' },
    })
    expect(trainerBuild({ variant: 'main' })).not.toHaveProperty('cacheTo')
  })
})

describe('what the image is built from', () => {
  const dockerfile = readFileSync(join(folder, 'Dockerfile'), 'utf8')
  const context = staged()

  it('is the source and the locks alone', () => {
    expect(readdirSync(context.folder).sort()).toEqual([
      '.dockerignore',
      'Dockerfile',
      'driver515.lock',
      'installer.lock',
      'main.lock',
      'sbom.lock',
      'src',
    ])
  })

  it('stays the same when tests change, and only then', () => {
    const changed = (file: string) => staged((copy) => writeFileSync(join(copy, file), '# changed\n')).hash
    expect(changed('tests/test_new.py')).toBe(context.hash)
    expect(changed('pyproject.toml')).toBe(context.hash)
    expect(changed('src/roslin_trainer/new.py')).not.toBe(context.hash)
    expect(changed('main.lock')).not.toBe(context.hash)
  })

  it('differs for each variant', () => {
    expect(staged(undefined, 'driver515').hash).not.toBe(context.hash)
  })

  it('holds neither models nor data, and nothing fetches them when it is built', () => {
    const files = globSync('**/*', { cwd: context.folder }).filter((file) =>
      statSync(join(context.folder, file)).isFile(),
    )
    const sources = files.filter((file) => file.startsWith('src/'))
    expect(sources.length).toBeGreaterThan(0)
    expect(sources.filter((file) => !/\.(py|json|yaml|typed)$/.test(file))).toEqual([])
    const bytes = sources.map((file) => statSync(join(context.folder, file)).size)
    expect(Math.max(...bytes)).toBeLessThan(200_000)
    // A lock that the build's argument names.
    const lock = '$' + '{VARIANT}.lock'
    const copied = [...dockerfile.matchAll(/^COPY (.*) \S+$/gm)].map(([, what]) => what)
    expect(copied).toEqual(['installer.lock sbom.lock', lock, 'src', '--from=build /opt/trainer'])
    expect(dockerfile).not.toMatch(/^ADD|curl|wget|git clone|huggingface|hf:|aws s3|s3:\/\//m)
  })
})
