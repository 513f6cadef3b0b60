import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { ROUTES } from '../../core/api/routes.ts'
import { root } from '../support/checked-in.ts'
import { Deployment } from '../support/deployment.ts'
import { eventually } from '../support/processes.ts'
import { execute } from '../support/spawned.ts'

const deployment = await Deployment.open()
const { client } = deployment
const schemathesis = join(root, '.venv/bin/schemathesis')
const support = join(root, 'test/support')
const OPERATIONS = Object.keys(ROUTES).length

const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
]

/** One of everything that a path can name, all of the same name. */
async function makeKnown(): Promise<Record<string, string>> {
  const name = 'conforms'
  await deployment.put(`incoming/${name}/wrong.json`, '[')
  const recipe = await deployment.recipe('', { name })
  await client.createSchedule({ name, expression: 'rate(1 day)', recipe })
  const { runId } = await deployment.ended((await client.createRun(recipe)).runId)
  await eventually('the data set is known', () => client.listDatasetVersions(name).catch(() => undefined))
  return { runId, name, version: '1' }
}

// Schemathesis asks for Python 3.11: below, local/requirements.in leaves it out.
describe.skipIf(existsSync(join(root, '.venv/lib/python3.10')))(
  'the deployed API, by its own OpenAPI document',
  () => {
    let known: Record<string, string>
    beforeAll(async () => {
      known = await makeKnown()
    })

    it('answers generated requests to every operation as it says it does, and never with a fault of ours', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'roslin-conformance-'))
      const [document, report] = [join(folder, 'openapi.json'), join(folder, 'report.json')]
      writeFileSync(document, await (await deployment.request('GET', '/v1/openapi.json')).text())
      const { code, stdout, stderr } = await execute(
        schemathesis,
        [
          ['--config-file', join(support, 'schemathesis.toml'), 'run', document],
          ['--url', deployment.apiUrl, '--checks', CHECKS.join(',')],
          ['--max-examples', '4', '--generation-deterministic', '--workers', '2', '--request-timeout', '60'],
          ['--no-color', '--no-shrink', '--report', 'json', '--report-json-path', report],
        ].flat(),
        {
          ...deployment.env,
          PYTHONPATH: support,
          SCHEMATHESIS_HOOKS: 'schemathesis_hooks',
          HYPOTHESIS_STORAGE_DIRECTORY: folder,
          ROSLIN_KNOWN: JSON.stringify(known),
        },
      )
      expect(code, stdout + stderr).toBe(0)
      const { operations, test_cases: cases } = JSON.parse(readFileSync(report, 'utf8'))
      process.stdout.write(`schemathesis: ${operations.tested} operations, ${cases.generated} cases\n`)
      expect(operations).toMatchObject({ total: OPERATIONS, tested: OPERATIONS, errored: 0 })
      expect(cases.generated).toBeGreaterThan(OPERATIONS * 5)
      expect(cases).toMatchObject({ with_failures: 0, errored: 0 })
      // Some hundreds of requests: 20 s, and more on a machine that has other things to do.
    }, 480_000)
  },
)
