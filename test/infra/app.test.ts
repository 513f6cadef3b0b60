import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../support/checked-in.ts'
import { type Ended, execute } from '../support/spawned.ts'

const newFolder = () => mkdtempSync(join(tmpdir(), 'roslin-cdk-'))

/** The CDK's command line. `list` synthesises with all checks, and leaves out only the functions' bundles. */
const cdk = (...args: string[]) =>
  execute(join(root, 'node_modules/.bin/cdk'), [...args, '--output', newFolder()], {
    CDK_DISABLE_VERSION_CHECK: '1',
  })

/** The app as the command line starts it, and as quickly as `list` does. */
function app(team: string): Promise<Ended> {
  const { context } = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8'))
  return execute(process.execPath, ['infra/app.ts'], {
    CDK_OUTDIR: newFolder(),
    CDK_CONTEXT_JSON: JSON.stringify({ ...context, team }),
  })
}

function expectRefusal({ code, stderr }: Ended, said: string, next: string) {
  expect(stderr).toContain(`TEAM_INVALID: ${said}`)
  expect(stderr).toContain(next)
  expect(stderr).not.toMatch(/^\s+at /m)
  expect(code).toBe(1)
}

describe.concurrent('the app', () => {
  it('synthesises team example with no account, and cdk-nag finds nothing', async () => {
    const { code, stdout, stderr } = await cdk('list', '-c', 'team=example')
    expect(stderr).not.toMatch(/AwsSolutions|ERROR|Cannot/)
    expect(stdout.trim().split('\n')).toEqual(['Roslin-example-State', 'Roslin-example-ControlPlane'])
    expect(code).toBe(0)
  })

  it('synthesises team demo too', async () => {
    const { code, stderr } = await app('demo')
    expect(stderr).toBe('')
    expect(code).toBe(0)
  })

  it('says what to do when no team is given', async () => {
    for (const command of [
      ['synth', '--quiet'],
      ['deploy', '--all'],
    ]) {
      expectRefusal(await cdk(...command), 'No team was given.', 'Give one with -c team=<name>: ')
    }
  })

  it('says what to do for a team that is no DNS label', async () => {
    expectRefusal(await app('My_Team'), '"My_Team" cannot be', 'Give the name of a file in teams/')
  })

  it('says which teams there are for one without a file', async () => {
    expectRefusal(await app('nobody'), 'There is no teams/nobody.yaml.', 'demo, example')
  })
})
