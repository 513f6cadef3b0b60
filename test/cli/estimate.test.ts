import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Estimate, estimateSchema } from '../../core/estimate-schema.ts'
import { minimalRecipe } from '../support/recipes.ts'
import { startRoslin } from '../support/spawned.ts'

const folder = mkdtempSync(join(tmpdir(), 'roslin-estimate-'))

/** Where no embedded AWS runs, and no credentials are. */
const estimate = (...args: string[]) =>
  startRoslin(['estimate', ...args], {
    ROSLIN_STATE_DIR: join(folder, 'none'),
    AWS_ENDPOINT_URL: 'http://127.0.0.1:1',
    NO_COLOR: '1',
  }).ended

async function estimated(...args: string[]): Promise<Estimate> {
  const { code, stdout, stderr } = await estimate(...args, '--json')
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return estimateSchema.parse(JSON.parse(stdout))
}

function recipeFile(name: string, overrides: Record<string, unknown> = {}): string {
  const file = join(folder, `${name}.yaml`)
  writeFileSync(file, JSON.stringify(minimalRecipe(overrides)))
  return file
}

describe.concurrent('roslin estimate', () => {
  it('reproduces the known case without a deployment or the data: 3.25 h × $31.212 = $101.44', async () => {
    const { options, data, epochs, region } = await estimated('recipes/dolly-v1.yaml', '--epochs', '1')
    expect({ epochs, region, rows: data.trainRows }).toEqual({ epochs: 1, region: 'us-east-1', rows: 51_002 })
    const p3dn = options.find(({ instanceType }) => instanceType === 'p3dn.24xlarge')
    expect(p3dn).toMatchObject({
      purchase: 'on-demand',
      price: { usdPerHour: 31.212, region: 'us-east-1' },
      published: { hours: 3.25, usd: 101.44 },
      speed: { basis: 'model' },
      train: { usd: { low: 18.11, expected: 26.69, high: 31.7 } },
    })
  })

  it('shows people the same: a table, and what each figure rests on', async () => {
    const { code, stdout } = await estimate('recipes/dolly-v1.yaml', '--epochs', '1')
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /│ p3dn\.24xlarge on-demand +│ \$31\.212 +│ 51 min 19 s .*│ 3 h 15 min, \$101\.44 +│/,
    )
    expect(stdout).toMatch(/fastest/)
    expect(stdout).toMatch(/^data +Stanford Alpaca: 52,002 rows/m)
    expect(stdout).toMatch(/^train +Model: 3\.8 times/m)
    expect(stdout).toMatch(/^price +.*looked up on 2026-11-24/m)
    expect(stdout).toMatch(/^prepare +.*not counted/m)
    expect(stdout).toMatch(/^not on +g5\.xlarge on-demand: has 1 GPUs, 8 wanted/m)
  })

  it("--team has the team's own options, in its order and its region", async () => {
    const { team, options } = await estimated('recipes/dolly-v1.yaml', '--team', 'example')
    expect(team).toBe('example')
    expect(options.map(({ instanceType, purchase }) => `${instanceType} ${purchase}`)).toEqual([
      'p4d.24xlarge spot',
      'p4d.24xlarge on-demand',
      'p3dn.24xlarge on-demand',
    ])
  })

  it("--region has that region's prices, and marks those of another", async () => {
    const { stdout } = await estimate('recipes/dolly-v1.yaml', '--region', 'xx-north-1')
    expect(stdout).toContain('prices of xx-north-1')
    expect(stdout).toMatch(/│ \(us-east-1's\) +│/)
  })

  it('counts the rows of a file that is there', async () => {
    writeFileSync(
      join(folder, 'rows.jsonl'),
      '{"instruction": "One", "output": "Baa."}\n{"instruction": "Two", "output": "Baa."}\n',
    )
    const file = recipeFile('local', { dataset: { source: 'rows.jsonl', licence: 'MIT' } })
    expect((await estimated(file)).data).toMatchObject({
      trainRows: 1,
      heldOutRows: 1,
      because: expect.stringContaining('The data file: all rows'),
    })
  })

  it('takes rows and their length where the data is elsewhere, and says what it needs where nobody knows', async () => {
    const file = recipeFile('remote')
    const { data } = await estimated(file, '--rows', '1000', '--tokens-per-row', '200')
    expect(data).toMatchObject({ trainRows: 980, tokensPerRow: 200, tokensPerEpoch: 196_000 })
    const { code, stdout, stderr } = await estimate(file)
    expect(stderr).toMatch(/^NO_BASIS: /)
    expect(stderr).toContain('--rows and --tokens-per-row')
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })

  it('takes a folder where the data file should be for data that is elsewhere', async () => {
    mkdirSync(join(folder, 'rows'))
    const file = recipeFile('folder', { dataset: { source: 'rows', licence: 'MIT' } })
    const { code, stderr } = await estimate(file)
    expect(stderr).toMatch(/^NO_BASIS: /)
    expect(code).toBe(2)
  })

  it.each([
    ['a team without a file', ['--team', 'nobody'], 'TEAM_INVALID'],
    ["another region than the deployment's", ['--deployed', '--region', 'eu-west-1'], 'cannot be used with'],
  ])('ends with 2 for %s', async (_, args, said) => {
    const { code, stderr } = await estimate('recipes/dolly-v1.yaml', ...args)
    expect(stderr).toContain(said)
    expect(code).toBe(2)
  })

  it('--deployed ends with 3 where no deployment is', async () => {
    const { code, stderr } = await estimate('recipes/dolly-v1.yaml', '--deployed')
    expect(stderr).toContain('DEPLOYMENT_NOT_FOUND')
    expect(code).toBe(3)
  })
})
