import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, inject, it } from 'vitest'
import { type Estimate, estimateSchema } from '../../core/estimate-schema.ts'
import { meanTokensPerSecond } from '../../core/throughput.ts'
import { paths } from '../../local/paths.ts'
import { checkedInRecipe, root } from '../support/checked-in.ts'
import { Deployment } from '../support/deployment.ts'
import { startRoslin } from '../support/spawned.ts'
import { pathsOf, rejectionOf } from '../support/thrown.ts'

const deployment = await Deployment.open()
const { client } = deployment
const { stateDir } = inject('embedded')
const folder = mkdtempSync(join(tmpdir(), 'roslin-estimates-'))

/** Each with a size of its own: runs of other tests have measured none of it. */
const ofSize = async (parameters: number, overrides: Record<string, unknown> = {}) => {
  const recipe = await deployment.recipe('', overrides)
  return { ...recipe, baseModel: { ...(recipe.baseModel as object), parameters } }
}

const estimated = async (request: Parameters<typeof client.createEstimate>[0]): Promise<Estimate> =>
  estimateSchema.parse(await client.createEstimate(request))

describe('POST /v1/estimates', () => {
  it("has the team's options in its order, counts the data in the bucket, and starts nothing", async () => {
    const before = await deployment.executions()
    const { team, region, options, data } = await estimated({ recipe: await ofSize(1_000_001) })
    expect({ team, region }).toEqual({ team: 'demo', region: 'us-east-1' })
    expect(options.map(({ instanceType, purchase }) => `${instanceType} ${purchase}`)).toEqual([
      'm7i.large on-demand',
      'm7i.large spot',
    ])
    expect(options[0]).toMatchObject({
      speed: { basis: 'model' },
      price: { usdPerHour: 0.1008, region: 'us-east-1' },
    })
    expect(data).toMatchObject({ trainRows: 1, because: expect.stringContaining('The data file: all rows') })
    expect(await deployment.executions()).toEqual(before)
  })

  it('takes rows, their length and epochs from the request, and then looks at no data', async () => {
    const recipe = await ofSize(1_000_002, { dataset: { source: 'not/here.json', licence: 'MIT' } })
    const given = { recipe, rows: 1000, tokensPerRow: 100 }
    const one = await estimated({ ...given, epochs: 1 })
    const ten = await estimated({ ...given, epochs: 10 })
    expect(one.data).toMatchObject({ trainRows: 980, tokensPerRow: 100, tokensPerEpoch: 98_000 })
    expect(ten.options[0]?.train.hours.expected).toBeCloseTo(
      10 * (one.options[0]?.train.hours.expected ?? 0),
      3,
    )
  })

  it('knows the data of known recipes by name', async () => {
    const { dataset } = checkedInRecipe('dolly-v1')
    const { data } = await estimated({ recipe: await ofSize(1_000_003, { dataset }) })
    expect(data.trainRows).toBe(51_002)
  })

  it.each<[string, Record<string, unknown>, Parameters<typeof pathsOf>[1], string[]]>([
    ['a field that is unknown', { epoch: 3 }, 'REQUEST_INVALID', ['epoch']],
    ['rows that are none', { rows: 0 }, 'REQUEST_INVALID', ['rows']],
    ['a recipe that is none', { recipe: { name: 'x' } }, 'RECIPE_INVALID', ['baseModel', 'dataset']],
  ])('refuses %s', async (_, overrides, code, paths) => {
    const request = { recipe: await ofSize(1_000_004), ...overrides }
    expect(pathsOf(await rejectionOf(client.createEstimate(request)), code)).toEqual(paths)
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['data of unknown size', { dataset: { source: 'not/here.json', licence: 'MIT' } }, 'NO_BASIS'],
    [
      'data that is not in the bucket',
      { dataset: { source: 's3://other-bucket/a.json', licence: 'MIT' } },
      'DATASET_NOT_FOUND',
    ],
    ['more GPUs than any option has', { resources: { gpus: 8 } }, 'NO_CAPACITY_FITS'],
  ])('answers a problem for %s', async (_, overrides, code) => {
    const body = JSON.stringify({ recipe: await ofSize(1_000_005, overrides) })
    const response = await deployment.request('POST', '/v1/estimates', body)
    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toContain('application/problem+json')
    expect(await response.json()).toMatchObject({ code, nextStep: expect.any(String) })
  })
})

describe('after a run has succeeded', () => {
  it('an estimate of the same shape is measured: the speed of the run, once', async () => {
    const recipe = await ofSize(2_000_001)
    const ended = await deployment.ended((await client.createRun(recipe)).runId)
    expect(ended.status).toBe('succeeded')
    const rate = meanTokensPerSecond(await client.getMetrics(ended.runId))
    expect(rate).toBe(1000)

    const planUri = ended.planUri ?? ''
    // Register may be sent twice; and this time the last of the jobs' events is in.
    expect(
      (await deployment.invoke('FlowRegister', { runId: ended.runId, execution: ended.execution, planUri }))
        .error,
    ).toBeUndefined()
    const { options } = await estimated({ recipe })
    for (const { speed, train } of options) {
      expect(speed).toEqual({ basis: 'measured', tokensPerSecond: { low: 1000, expected: 1000, high: 1000 } })
      expect(train.because).toContain(`run ${ended.runId} of the same model size`)
    }

    const other = await estimated({ recipe: { ...recipe, training: { maxTokens: 512 } } })
    expect(other.options[0]?.speed.basis).toBe('model')
  })

  it('and failed, nothing is measured', async () => {
    const recipe = { ...(await ofSize(2_000_002)), description: 'train:error=TOLD_TO' }
    expect((await deployment.ended((await client.createRun(recipe)).runId)).status).toBe('failed')
    expect((await estimated({ recipe })).options[0]?.speed.basis).toBe('model')
  })
})

describe('the command line', () => {
  const roslin = (...args: string[]) => startRoslin(args, { ROSLIN_STATE_DIR: stateDir, NO_COLOR: '1' }).ended

  async function recipeFile(name: string, overrides: Record<string, unknown> = {}): Promise<string> {
    const file = join(folder, `${name}.yaml`)
    writeFileSync(file, JSON.stringify(await ofSize(3_000_001, overrides)))
    return file
  }

  it('roslin run shows the estimate on stderr, and starts in a script where nothing is paid', async () => {
    const { code, stdout, stderr } = await roslin('run', await recipeFile('run'))
    expect(stderr).toMatch(/│ m7i\.large on-demand +│ \$0\.1008 +│/)
    expect(stderr).toContain('Model: 63 GFLOP/s a vCPU')
    expect(code).toBe(0)
    expect((await deployment.ended(stdout.trim())).status).toBe('succeeded')
  })

  /** In a terminal of its own, with this typed into it: both of the command's outputs in one. */
  async function atTerminal(
    typed: string,
    ...args: string[]
  ): Promise<{ code: number | null; screen: string }> {
    const command = [process.execPath, 'cli/bin.mjs', ...args]
    const inPty = `import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(${JSON.stringify(command)})))`
    const child = spawn(paths.python, ['-c', inPty], {
      cwd: root,
      env: { ...process.env, ROSLIN_STATE_DIR: stateDir, NO_COLOR: '1' },
    })
    let screen = ''
    let isAnswered = false
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      screen += text
      if (isAnswered || !screen.includes('[y/N] ')) return
      isAnswered = true
      child.stdin.write(typed)
    })
    const [code] = await once(child, 'close')
    return { code, screen }
  }

  it('roslin run at a terminal asks, and starts nothing for a no, or for Ctrl-C', async () => {
    const before = await deployment.executions()
    const file = await recipeFile('no')
    const { code, screen } = await atTerminal('n\n', 'run', file)
    expect(screen).toMatch(/m7i\.large on-demand[\s\S]*Start it\? \[y\/N\] /)
    expect(screen).toContain('Not started.')
    expect(code).toBe(130)
    expect((await atTerminal('\x03', 'run', file)).screen).toContain('Not started.')
    expect(await deployment.executions()).toEqual(before)
  })

  it('roslin run at a terminal starts for a yes, and with --yes does not ask', async () => {
    const file = await recipeFile('yes')
    const asked = await atTerminal('y\n', 'run', file)
    expect(asked.code).toBe(0)
    const unasked = await atTerminal('', 'run', file, '--yes')
    expect(unasked.screen).not.toContain('Start it?')
    for (const { screen } of [asked, unasked]) {
      const [runId = ''] = /[0-9A-HJKMNP-TV-Z]{26}/.exec(screen) ?? []
      expect((await deployment.ended(runId)).status).toBe('succeeded')
    }
  })

  it('roslin run --max-usd is the limit of the run', async () => {
    const { code, stdout } = await roslin(
      'run',
      await recipeFile('limit'),
      '--max-usd',
      '2.5',
      '--yes',
      '--json',
    )
    expect(code).toBe(0)
    const run = JSON.parse(stdout)
    expect(run.recipe.limits.maxUsd).toBe(2.5)
    expect((await deployment.ended(run.runId)).status).toBe('succeeded')
  })

  it('roslin run starts nothing where it cannot keep its limit', async () => {
    const dataset = { source: 'alpaca_data.json', licence: 'CC-BY-NC-4.0' }
    writeFileSync(
      join(folder, 'alpaca_data.json'),
      JSON.stringify(
        Array.from({ length: 5000 }, () => ({ instruction: 'Say it.', output: 'Baa. '.repeat(200) })),
      ),
    )
    const before = await deployment.executions()
    const file = await recipeFile('over', { dataset })
    const { code, stdout, stderr } = await roslin('run', file, '--max-usd', '0.000001', '--yes')
    expect(stderr).toContain('ESTIMATE_OVER_LIMIT: The run costs at least $0.0')
    expect(stdout).toBe('')
    expect(code).toBe(2)
    expect(await deployment.executions()).toEqual(before)
  })

  it('roslin estimate --deployed asks the deployment, with the size of the file that is here', async () => {
    writeFileSync(join(folder, 'few.json'), JSON.stringify([{ instruction: 'One', output: 'Baa.' }]))
    const file = await recipeFile('deployed', { dataset: { source: 'few.json', licence: 'MIT' } })
    const { code, stdout } = await roslin('estimate', file, '--deployed', '--json')
    expect(code).toBe(0)
    const { team, data } = estimateSchema.parse(JSON.parse(stdout))
    expect(team).toBe('demo')
    expect(data).toMatchObject({ trainRows: 1, because: expect.stringContaining('The data file') })
  })
})
