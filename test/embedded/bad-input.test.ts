import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, it } from 'vitest'
import { checkDataset } from '../../core/dataset.ts'
import type { RoslinError } from '../../core/errors.ts'
import { parseRecipe } from '../../core/recipe.ts'
import { promptText } from '../../core/template.ts'
import { BYTE_TOKENIZER } from '../support/byte-tokenizer.ts'
import { root } from '../support/checked-in.ts'
import { Deployment } from '../support/deployment.ts'
import { minimalRecipe } from '../support/recipes.ts'
import { startRoslin } from '../support/spawned.ts'
import { pathsOf, rejectionOf, thrownBy } from '../support/thrown.ts'

const deployment = await Deployment.open()
const { client } = deployment

const LONG_PROMPT = Array(3000).fill('baa').join(' ')
const MALFORMED =
  '[\n  {"instruction": "One", "output": "Baa."},\n  {"instruction": "Two" "output": "Baa."}\n]'
const WRONG_ROW = '{"instruction": "One", "output": "Baa."}\n{"instruction": "Two", "output": null}\n'

const SMALL_MODEL = { 'config.json': { max_position_embeddings: 256 }, ...BYTE_TOKENIZER }
/** A prompt of so many tokens with its template, where a byte is a token, and an answer of one more. */
const promptOfTokens = (tokens: number) => {
  const { template } = parseRecipe(minimalRecipe())
  const instruction = 'x'.repeat(tokens - promptText(template, { instruction: '' }).length)
  return { evaluation: { prompts: [{ instruction }], maxNewTokens: 1 }, training: { maxTokens: 256 } }
}

/** All that a run could leave behind: its item, its execution, its files. */
async function traces() {
  const { runs } = await client.listRuns(100, undefined)
  return {
    runs: runs.length,
    executions: (await deployment.executions()).length,
    files: await deployment.keys('runs/'),
  }
}

const refusal = async (overrides: Record<string, unknown>) =>
  rejectionOf(client.createRun(await deployment.recipe('', overrides)))

const inBucket = (path: string) => `s3://${deployment.bucket}/${path}`
const dataset = (source: string) => ({ dataset: { source, licence: 'CC-BY-4.0' } })
const model = (source: string) => ({ baseModel: { source, licence: 'MIT', parameters: 1000 } })

describe('the API, given what cannot be used', () => {
  let before: Awaited<ReturnType<typeof traces>>

  beforeAll(async () => {
    await deployment.put('bad/empty.json', '')
    await deployment.put('bad/no-rows.json', '[]')
    await deployment.put('bad/malformed.json', MALFORMED)
    await deployment.put('bad/wrong-row.jsonl', WRONG_ROW)
    for (const name of ['wrong.jsonl.gz', 'wrong.parquet', 'dolly.parquet']) {
      await deployment.put(`bad/${name}`, readFileSync(join(root, 'test/fixtures/datasets', name)))
    }
    await deployment.put('bad/no-model/readme.txt', 'no model')
    await deployment.put('bad/unsized-model/config.json', '{}')
    for (const [name, content] of Object.entries(SMALL_MODEL)) {
      await deployment.put(`bad/small-model/${name}`, JSON.stringify(content))
    }
    before = await traces()
  })

  const cases: [
    what: string,
    overrides: () => Record<string, unknown>,
    code: RoslinError['code'],
    paths: string[],
  ][] = [
    ['an unknown field', () => ({ epoch: 3 }), 'RECIPE_INVALID', ['epoch']],
    ['a negative number', () => ({ training: { epochs: -3 } }), 'RECIPE_INVALID', ['training.epochs']],
    [
      'a data file that is not there',
      () => dataset(inBucket('none.json')),
      'DATASET_NOT_FOUND',
      ['dataset.source'],
    ],
    ["another's data", () => dataset('s3://other-bucket/a.json'), 'DATASET_NOT_FOUND', ['dataset.source']],
    ['a local path', () => dataset('../rows.json'), 'DATASET_NOT_FOUND', ['dataset.source']],
    ['an empty data file', () => dataset(inBucket('bad/empty.json')), 'DATASET_INVALID', []],
    ['a data file without rows', () => dataset(inBucket('bad/no-rows.json')), 'DATASET_INVALID', []],
    ['malformed JSON', () => dataset(inBucket('bad/malformed.json')), 'DATASET_INVALID', ['line 3']],
    ['a wrong row', () => dataset(inBucket('bad/wrong-row.jsonl')), 'DATASET_INVALID', ['line 2']],
    ['a wrong row in gzip', () => dataset(inBucket('bad/wrong.jsonl.gz')), 'DATASET_INVALID', ['line 3']],
    [
      'wrong rows in Parquet',
      () => dataset(inBucket('bad/wrong.parquet')),
      'DATASET_INVALID',
      ['row 3', 'row 5'],
    ],
    [
      'rows of another format than the recipe says',
      () => ({ dataset: { ...dataset(inBucket('bad/dolly.parquet')).dataset, format: 'chat' } }),
      'DATASET_INVALID',
      ['row 1', 'row 2'],
    ],
    ['an unknown model folder', () => model(inBucket('no/such/')), 'MODEL_NOT_FOUND', ['baseModel.source']],
    [
      'a folder without a model',
      () => model(inBucket('bad/no-model')),
      'MODEL_UNREADABLE',
      ['baseModel.source'],
    ],
    [
      'a model of unknown size',
      () => model(inBucket('bad/unsized-model')),
      'MODEL_UNREADABLE',
      ['baseModel.contextTokens'],
    ],
    [
      'a prompt longer than the context',
      () => ({ evaluation: { prompts: [{ instruction: LONG_PROMPT }] } }),
      'PROMPT_TOO_LONG',
      ['evaluation.prompts.0'],
    ],
    [
      'a prompt one token longer than the context',
      () => ({ ...model(inBucket('bad/small-model')), ...promptOfTokens(256) }),
      'PROMPT_TOO_LONG',
      ['evaluation.prompts.0'],
    ],
    [
      'a folder of benchmarks that is not there',
      () => ({ evaluation: { benchmarks: { tasks: ['mine'], folder: inBucket('no-tasks') } } }),
      'BENCHMARKS_NOT_FOUND',
      ['evaluation.benchmarks.folder'],
    ],
    [
      'a local folder of benchmarks',
      () => ({ evaluation: { benchmarks: { tasks: ['mine'], folder: '../tasks' } } }),
      'BENCHMARKS_NOT_FOUND',
      ['evaluation.benchmarks.folder'],
    ],
    [
      'more GPUs than any option has',
      () => ({ resources: { gpus: 8 } }),
      'NO_CAPACITY_FITS',
      ['capacity.0 (m7i.large on-demand)', 'capacity.1 (m7i.large spot)'],
    ],
  ]

  it.each(cases)('refuses %s, naming where it is', async (_, overrides, code, paths) => {
    const error = await refusal(overrides())
    expect(pathsOf(error, code)).toEqual(paths)
    expect(error.nextStep).not.toBe('')
  })

  it('answers 400 with the very body that the domain makes', async () => {
    const unknownField = { epoch: 3, training: { epochs: -3 } }
    const wrong = await deployment.recipe('', unknownField)
    expect((await refusal(unknownField)).toProblem()).toEqual(thrownBy(() => parseRecipe(wrong)).toProblem())
    const malformed = await refusal(dataset(inBucket('bad/malformed.json')))
    const checked = checkDataset(Buffer.from(MALFORMED), 'malformed.json', 'auto')
    expect(malformed.toProblem()).toEqual((await rejectionOf(checked)).toProblem())
    expect(malformed.toProblem().status).toBe(400)
  })

  it.each([
    ['no JSON', '{"recipe": '],
    ['no object', '[]'],
    ['another field', '{"recipe": {}, "team": "other"}'],
    ['nothing', ''],
  ])('refuses a body that is %s with a problem body', async (_, body) => {
    const response = await deployment.request('POST', '/v1/runs', body)
    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toContain('application/problem+json')
    expect(await response.json()).toMatchObject({
      status: 400,
      code: expect.stringMatching(/REQUEST_INVALID|RECIPE_INVALID/),
    })
  })

  it.each([
    ['/v1/runs/01JD0000000000000000000000', 'RUN_NOT_FOUND'],
    ['/v1/runs/01JD0000000000000000000000/metrics', 'RUN_NOT_FOUND'],
    ['/v1/runs/01JD0000000000000000000000/samples', 'RUN_NOT_FOUND'],
    ['/v1/runs/01JD0000000000000000000000/logs', 'RUN_NOT_FOUND'],
    ['/v1/nothing', 'ROUTE_NOT_FOUND'],
  ])('answers 404 for %s: %s', async (path, code) => {
    const response = await deployment.request('GET', path)
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ status: 404, code })
  })

  it.each(['limit=0', 'limit=101', 'limit=many', 'limit=1.5', 'cursor=nonsense'])(
    'answers 400 for the query ?%s',
    async (query) => {
      const response = await deployment.request('GET', `/v1/runs?${query}`)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ status: 400, code: 'REQUEST_INVALID' })
    },
  )

  it.each([
    ['a name that leaves its folder', { fileName: '../secret' }],
    ['a hash that is none', { sha256: 'abc' }],
    ['no bytes', { bytes: 0 }],
    ['more bytes than S3 takes at once', { bytes: 6 * 2 ** 30 }],
  ])('refuses an upload with %s', async (_, wrong) => {
    const upload = { contentSha256: 'a'.repeat(64), sha256: 'a'.repeat(64), fileName: 'rows.json', bytes: 10 }
    const error = await rejectionOf(client.createUpload({ ...upload, ...wrong }))
    expect(pathsOf(error, 'REQUEST_INVALID')).toEqual(Object.keys(wrong))
  })

  it('refuses a body that no run could hold', async () => {
    const response = await deployment.request(
      'POST',
      '/v1/runs',
      JSON.stringify({ recipe: 'x'.repeat(300_000) }),
    )
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      code: 'REQUEST_INVALID',
      detail: expect.stringContaining('larger'),
    })
  })

  it('answers nobody who has not signed', async () => {
    const response = await fetch(`${deployment.apiUrl}/v1/runs`)
    expect(response.status).toBe(403)
  })

  it('leaves nothing behind of all that: no run, no execution, no file', async () => {
    expect(await traces()).toEqual(before)
  })
})

describe('the command line, given what cannot be used', () => {
  const folder = mkdtempSync(join(tmpdir(), 'roslin-bad-'))
  const { stateDir } = inject('embedded')
  let before: Awaited<ReturnType<typeof traces>>

  const roslin = (...args: string[]) => startRoslin(args, { ROSLIN_STATE_DIR: stateDir }).ended

  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return name
  }

  /** A recipe in a file, with a model folder and data beside it that can be used. */
  function recipeFile(name: string, overrides: Readonly<Record<string, unknown>>): string {
    const recipe = {
      name: 'stub',
      baseModel: { source: 'model', licence: 'MIT', parameters: 1000 },
      dataset: { source: 'rows.json', licence: 'MIT' },
      resources: { gpus: 0 },
      ...overrides,
    }
    return join(folder, write(`${name}.yaml`, JSON.stringify(recipe)))
  }

  beforeAll(async () => {
    mkdirSync(join(folder, 'model'))
    mkdirSync(join(folder, 'no-model'))
    write('model/config.json', '{"n_positions": 2048}')
    write('rows.json', '[{"instruction": "One", "output": "Baa."}]')
    write('empty.json', '')
    write('malformed.json', MALFORMED)
    write('not-yaml.yaml', 'name: stub\nbaseModel: {source: [\n')
    mkdirSync(join(folder, 'small-model'))
    for (const [name, content] of Object.entries(SMALL_MODEL))
      write(`small-model/${name}`, JSON.stringify(content))
    mkdirSync(join(folder, 'torn-model'))
    write('torn-model/config.json', '{"n_positions": 20')
    before = await traces()
  })

  const local = (source: string) => ({ dataset: { source, licence: 'MIT' } })

  const cases: [what: string, file: () => string, code: string, said: string][] = [
    ['an unknown field', () => recipeFile('field', { epoch: 3 }), 'RECIPE_INVALID', 'epoch: unknown field'],
    [
      'a negative number',
      () => recipeFile('number', { training: { epochs: -3 } }),
      'RECIPE_INVALID',
      'training.epochs: is -3',
    ],
    ['a recipe that is not there', () => join(folder, 'none.yaml'), 'RECIPE_INVALID', 'none.yaml'],
    ['a recipe that is no YAML', () => join(folder, 'not-yaml.yaml'), 'RECIPE_INVALID', 'line '],
    [
      'a data file that is not there',
      () => recipeFile('missing', local('none.json')),
      'DATASET_NOT_FOUND',
      'none.json',
    ],
    ['an empty data file', () => recipeFile('empty', local('empty.json')), 'DATASET_INVALID', 'is empty'],
    ['malformed JSON', () => recipeFile('malformed', local('malformed.json')), 'DATASET_INVALID', 'line 3: '],
    [
      'an unknown model folder',
      () => recipeFile('model', { baseModel: { source: 'none', licence: 'MIT', parameters: 1 } }),
      'MODEL_NOT_FOUND',
      'no such folder',
    ],
    [
      'a folder without a model',
      () => recipeFile('no-model', { baseModel: { source: 'no-model', licence: 'MIT', parameters: 1 } }),
      'MODEL_UNREADABLE',
      'config.json',
    ],
    [
      'a prompt longer than the context',
      () => recipeFile('prompt', { evaluation: { prompts: [{ instruction: LONG_PROMPT }] } }),
      'PROMPT_TOO_LONG',
      'evaluation.prompts.0',
    ],
    [
      'a prompt one token longer than the context',
      () =>
        recipeFile('one-token', {
          baseModel: { source: 'small-model', licence: 'MIT', parameters: 1000 },
          ...promptOfTokens(256),
        }),
      'PROMPT_TOO_LONG',
      'evaluation.prompts.0: needs 257 tokens',
    ],
    [
      'a model whose configuration is no JSON',
      () => recipeFile('torn', { baseModel: { source: 'torn-model', licence: 'MIT', parameters: 1 } }),
      'MODEL_UNREADABLE',
      'its config.json is not JSON',
    ],
    [
      'more GPUs than any option has',
      () => recipeFile('gpus', { resources: { gpus: 8 } }),
      'NO_CAPACITY_FITS',
      'm7i.large',
    ],
  ]

  it.concurrent.each(cases)('ends with 2 for %s, and says where it is', async (_, file, code, said) => {
    const { code: exitCode, stdout, stderr } = await roslin('run', file())
    expect(stderr).toContain(`${code}: `)
    expect(stderr).toContain(said)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect(stdout).toBe('')
    expect(exitCode).toBe(2)
  })

  it.concurrent('prints with --json the body that the API answers with', async () => {
    const { code, stdout } = await roslin('run', recipeFile('json', { epoch: 3 }), '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      status: 400,
      code: 'RECIPE_INVALID',
      issues: [{ path: 'epoch' }],
    })
    expect(code).toBe(2)
  })

  it.concurrent.each([
    ['a team that is no DNS label', ['runs', 'list', '--team', 'My_Team'], 'TEAM_INVALID'],
    ['an unknown flag', ['runs', 'list', '--colour'], "unknown option '--colour'"],
    ['an unknown command', ['trian'], "unknown command 'trian'"],
    ['a missing argument', ['run'], 'missing required argument'],
    ['a limit that is no number', ['runs', 'list', '--limit', 'all'], 'whole number from 1 to 100'],
    ['a run that is not there', ['runs', 'get', '01JD0000000000000000000000'], 'RUN_NOT_FOUND'],
  ])('ends with 2 for %s', async (_, args, said) => {
    const { code, stdout, stderr } = await roslin(...args)
    expect(stderr).toContain(said)
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })

  it.concurrent('ends with 3 when no embedded AWS runs and no team is named', async () => {
    const state = mkdtempSync(join(tmpdir(), 'roslin-none-'))
    const { code, stderr } = await startRoslin(['runs', 'list'], {
      ROSLIN_STATE_DIR: state,
    }).ended
    expect(stderr).toContain('DEPLOYMENT_NOT_FOUND')
    expect(code).toBe(3)
  })

  it('started nothing of all that', async () => {
    expect(await traces()).toEqual(before)
  })
})
