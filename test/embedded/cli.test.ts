import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, it } from 'vitest'
import type { RunDetail } from '../../core/run-view.ts'
import { Deployment } from '../support/deployment.ts'
import { Scenarios } from '../support/scenarios.ts'
import { startRoslin } from '../support/spawned.ts'

const deployment = await Deployment.open()
const scenarios = new Scenarios(deployment)
const folder = mkdtempSync(join(tmpdir(), 'roslin-cli-'))
const { stateDir } = inject('embedded')

const begin = (...args: string[]) => startRoslin(args, { ROSLIN_STATE_DIR: stateDir, NO_COLOR: '1' })
const roslin = (...args: string[]) => begin(...args).ended

async function recipeFile(told = ''): Promise<string> {
  const file = join(folder, `${told.replace(/\W/g, '-') || 'plain'}.yaml`)
  writeFileSync(file, JSON.stringify(await deployment.recipe(told)))
  return file
}

describe('roslin run', () => {
  it('prints the id of the run, and nothing else on stdout', async () => {
    const { code, stdout } = await roslin('run', await recipeFile())
    expect(code).toBe(0)
    expect(stdout).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}\n$/)
    expect((await deployment.ended(stdout.trim())).status).toBe('succeeded')
  })

  it('--watch follows a run to its end: states on stderr, the answers side by side on stdout, exit code 0', async () => {
    const { code, stdout, stderr } = await roslin('run', await recipeFile('train:sleep=2'), '--watch')
    expect(stderr).toMatch(/queued[\s\S]*planning[\s\S]*preparing[\s\S]*succeeded/)
    expect(stdout).toContain('base says baa')
    expect(stdout).toContain('epoch 2 says baa')
    expect(stdout).toMatch(/training loss 2\.000 → 0\.444/)
    expect(stdout).toMatch(/model stub@\d+: s3:\/\//)
    expect(code).toBe(0)
  })

  it('--watch ends with 1 when the run fails, and says why and what to do', async () => {
    const { code, stderr } = await roslin('run', await recipeFile('train:error=TOO_SMALL'), '--watch')
    expect(stderr).toContain('TOO_SMALL: The stub was told to fail.')
    expect(stderr).toContain('Tell it something else.')
    expect(code).toBe(1)
  })

  it('--watch --json prints one document: the run as it ended', async () => {
    const { code, stdout } = await roslin('run', await recipeFile(), '--watch', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ status: 'succeeded', attempts: expect.any(Array) })
    expect(code).toBe(0)
  })

  it('detaches at Ctrl-C: the run goes on, and can be watched again', async () => {
    const watching = begin('run', await recipeFile('train:sleep=5'), '--watch')
    const [, runId = ''] = await watching.says(/run (\w{26})\n/)
    await deployment.until(runId, 'trains', ({ status }) => status === 'training')
    watching.child.kill('SIGINT')
    const { code, stderr } = await watching.ended
    expect(stderr).toContain(`Detached. Run ${runId} goes on; watch it again: npx roslin runs watch ${runId}`)
    expect(code).toBe(130)
    expect((await deployment.client.getRun(runId)).status).toBe('training')

    const again = await roslin('runs', 'watch', runId)
    expect(again.stdout).toContain('status   succeeded')
    expect(again.code).toBe(0)
  })

  it('sends local files up once', async () => {
    const file = join(folder, 'local.yaml')
    const recipe = await deployment.recipe()
    writeFileSync(
      join(folder, 'rows.json'),
      JSON.stringify([{ instruction: 'One', output: `Baa ${Math.random()}` }]),
    )
    writeFileSync(file, JSON.stringify({ ...recipe, dataset: { source: 'rows.json', licence: 'MIT' } }))
    const first = await roslin('run', file, '--json')
    expect(first.stderr).toContain('sending rows.json')
    const run: RunDetail = JSON.parse(first.stdout)
    expect(run.recipe.dataset.source).toMatch(/^s3:\/\/.*\/uploads\/[0-9a-f]{64}\/rows\.json$/)
    const second = await roslin('run', file, '--json')
    expect(second.stderr).not.toContain('sending')
    expect(JSON.parse(second.stdout).recipe).toEqual(run.recipe)
    for (const { stdout } of [first, second]) {
      expect((await deployment.ended(JSON.parse(stdout).runId)).status).toBe('succeeded')
    }
  })
})

describe('roslin, for what the API has beside runs', () => {
  let runId: string
  let rows: string
  beforeAll(async () => {
    runId = (await deployment.ended((await deployment.start('', { name: 'shown' })).runId)).runId
    rows = join(folder, 'ewes.json')
    writeFileSync(rows, JSON.stringify([{ instruction: 'One', output: 'Baa.' }]))
  })

  it('datasets: sends a file up, and tells of its version whether it was sent or was there', async () => {
    const sent = await roslin('datasets', 'upload', 'ewes', rows, '--json')
    expect(sent.stderr).toContain('sending ewes.json')
    const version = JSON.parse(sent.stdout)
    expect(version).toMatchObject({ name: 'ewes', version: 1, rows: 1, format: 'alpaca' })
    const [again, registered, versions, list] = await Promise.all([
      roslin('datasets', 'upload', 'ewes', rows),
      roslin('datasets', 'register', 'ewes', version.uri, '--json'),
      roslin('datasets', 'versions', 'ewes'),
      roslin('datasets', 'list'),
    ])
    expect(again.stderr).not.toContain('sending')
    expect(again.stdout).toContain(version.uri)
    expect(JSON.parse(registered.stdout)).toEqual(version)
    expect(versions.stdout).toContain(version.uri)
    expect(list.stdout).toMatch(/ewes +│ 1 /)
  })

  const shown: [what: string, args: () => string[], said: RegExp][] = [
    ['models list', () => ['models', 'list'], /shown +│ 1 /],
    ['models versions', () => ['models', 'versions', 'shown'], /shown@1 +│.*s3:\/\//],
    ['models get', () => ['models', 'get', 'shown@1'], /model {5}shown@1\n[\s\S]*licence {3}commercial use/],
    ['recipes list', () => ['recipes', 'list'], /follow +│ yes[\s\S]*shown +│ +│ 1 /],
    ['recipes get', () => ['recipes', 'get', 'shown'], /^name: shown$/m],
    [
      'recipes validate',
      () => ['recipes', 'validate', join(folder, 'plain.yaml')],
      /It would be started, and may cost \$/,
    ],
    ['runs metrics', () => ['runs', 'metrics', runId], /step \d+ of \d+[\s\S]*training loss 2\.000 → 0\.444/],
    ['runs samples', () => ['runs', 'samples', runId], /base says baa/],
    ['runs events', () => ['runs', 'events', runId], /succeeded/],
    ['events send', () => ['events', 'send', 'nobody', '--json'], /"code": "SOURCE_UNKNOWN"/],
  ]
  it.concurrent.each(shown)('%s', async (_, args, said) => {
    expect((await roslin(...args())).stdout).toMatch(said)
  })

  it.concurrent('ends with 2 for what is no version or no detail of an event', async () => {
    const [version, detail] = await Promise.all([
      roslin('models', 'get', 'shown'),
      roslin('events', 'send', 'demo', '--detail', '7'),
    ])
    expect([version.code, version.stderr]).toEqual([2, expect.stringContaining('It must be like sheep@3.')])
    expect([detail.code, detail.stderr]).toEqual([2, expect.stringContaining('It must be a JSON object')])
  })
})

describe('roslin runs cancel, resume and retry', () => {
  it('end a run, and go on with it to its end', async () => {
    const { runId } = await deployment.start('train:sleep=600@1')
    await deployment.until(runId, 'trains', ({ status }) => status === 'training')
    const cancelled = await roslin('runs', 'cancel', runId, '--now', '--team', 'demo')
    expect(cancelled.stdout).toContain('status   cancelled')
    expect(cancelled.stderr).toContain(`Go on with it: npx roslin runs resume ${runId} --team demo`)
    await scenarios.nothingIsLeft(runId)
    const { code, stdout } = await roslin('runs', 'resume', runId, '--max-usd', '1', '--watch', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'succeeded',
      execution: 1,
      recipe: { limits: { maxUsd: 1 } },
    })
  })

  it('say what cannot be, and what to do instead', async () => {
    const { runId } = await deployment.ended((await deployment.start('train:exit=10')).runId)
    const { code, stderr } = await roslin('runs', 'retry', runId, '--from', 'register')
    expect(stderr).toContain('STEP_NOT_REACHED: ')
    expect(stderr).toContain('Begin with train or an earlier step.')
    expect(code).toBe(2)
  })

  it.each([
    [['retry', 'RUN'], "required option '--from <step>'"],
    [['retry', 'RUN', '--from', 'plan'], 'Allowed choices are prepare, train, evaluate, register.'],
    [['resume', 'RUN', '--max-usd', '-3'], '--max-usd'],
  ])('%j is refused before anything is asked', async (args, said) => {
    const { code, stderr } = await roslin('runs', ...args)
    expect(stderr).toContain(said)
    expect(code).toBe(2)
  })
})

describe('the reading commands', () => {
  let runId: string
  beforeAll(async () => {
    for (const told of ['', 'train:exit=21'])
      runId = (await deployment.ended((await deployment.start(told)).runId)).runId
  })

  it.each<[string, () => string[], object]>([
    ['runs list', () => ['runs', 'list', '--limit', '1'], { runs: [{}], cursor: expect.any(String) }],
    ['runs get', () => ['runs', 'get', runId], { status: 'failed', failure: { class: 'out-of-memory' } }],
    ['team', () => ['team'], { team: 'demo', budget: { limitUsd: 1000 } }],
    ['doctor', () => ['doctor'], [{}, {}, {}, { check: 'API', ok: true }, { check: 'version', ok: true }]],
  ])('roslin %s --json prints one document on stdout', async (_, args, expected) => {
    const { code, stdout } = await roslin(...args(), '--json')
    expect(JSON.parse(stdout)).toMatchObject(expected)
    expect(code).toBe(0)
  })

  it('roslin logs --json prints a document a line', async () => {
    const { code, stdout } = await roslin('logs', runId, '--json')
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.map(({ step }) => step)).toEqual(['prepare', 'prepare', 'train'])
    expect(code).toBe(0)
  })

  it('roslin logs -f goes on until the run has ended, with its last line', async () => {
    const started = await deployment.start('train:sleep=2')
    const { code, stdout } = await roslin('logs', '-f', started.runId)
    expect(stdout.trim().split('\n').at(-1)).toMatch(/evaluate done$/)
    expect(code).toBe(0)
  })

  it('roslin runs list shows a page for people, and the command that shows the next of the same list', async () => {
    const options = ['--team', 'demo', '--recipe', 'stub', '--status', 'succeeded', '--limit', '1']
    const first = await roslin('runs', 'list', ...options)
    expect(first.stdout).toMatch(/│ stub +│ succeeded │/)
    const [, next = '', cursor = ''] =
      /^There are more: npx roslin (.* --cursor (\S+))$/m.exec(first.stderr) ?? []
    expect(next).toBe(['runs', 'list', ...options, '--cursor', cursor].join(' '))
    const [run, ...others] = JSON.parse((await roslin(...next.split(' '), '--json')).stdout).runs
    expect([run.status, run.runId < cursor, others]).toEqual(['succeeded', true, []])
  })

  it('roslin models versions says the command that shows the next', async () => {
    const { stderr } = await roslin('models', 'versions', 'stub', '--limit', '1')
    expect(stderr).toMatch(/^There are more: npx roslin models versions stub --limit 1 --cursor \S+$/m)
  })

  it('roslin runs get --watch --json shows a run as it changes, one document a line, to its end', async () => {
    const started = await deployment.start('train:sleep=2')
    const { code, stdout } = await roslin('runs', 'get', started.runId, '--watch', '--json')
    const seen = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).status)
    expect(seen.length).toBeGreaterThan(1)
    expect(seen.at(-1)).toBe('succeeded')
    expect(code).toBe(0)
  })

  it('roslin runs get --watch ends with 1 when the run did not succeed', async () => {
    const { code, stdout } = await roslin('runs', 'get', runId, '--watch')
    expect(stdout).toContain('status   failed')
    expect(code).toBe(1)
  })

  it('roslin open prints where the API answers for the run', async () => {
    const { code, stdout } = await roslin('open', runId)
    expect(stdout).toBe(`${deployment.apiUrl}/v1/runs/${runId}\n`)
    expect(code).toBe(0)
    expect((await roslin('open', '01JD0000000000000000000000')).stderr).toContain('RUN_NOT_FOUND')
  })

  it('roslin team shows people the options in order, and what is left of the month', async () => {
    const { stdout } = await roslin('team')
    expect(stdout).toMatch(
      /budget {3}\d{4}-\d\d: \$\S+ spent, \$\S+ reserved by runs under way, \$\S+ left of \$1000\.00/,
    )
    expect(stdout).toMatch(/m7i\.large +│ on-demand +│ 1440 min[\s\S]*m7i\.large +│ spot/)
  })

  it('roslin runs get tells people why a run failed', async () => {
    const { stdout } = await roslin('runs', 'get', runId)
    expect(stdout).toContain('failure  OUT_OF_MEMORY in train')
    expect(stdout).toContain('job train: FAILED, exit code 21')
  })
})
