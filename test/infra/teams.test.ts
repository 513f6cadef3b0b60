import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import validate from 'asl-validator'
import type { Template } from 'aws-cdk-lib/assertions'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { INSTANCE_TYPES, type InstanceType } from '../../core/instance-types.ts'
import { root } from '../support/checked-in.ts'
import { guardFindings } from '../support/guard.ts'
import { QUOTAS } from '../support/quotas.ts'
import { execute } from '../support/spawned.ts'
import { onlyResource, resourcesOf, synthesise } from '../support/stacks.ts'
import { teamFiles, templatesOf } from '../support/team-templates.ts'

const names = [...teamFiles.keys()]
const teams = names.map(templatesOf)
const idsOf = (template: Template) => resourcesOf(template).map(([id, { Type }]) => `${Type} ${id}`)

const templates = teams.flatMap(({ name, stacks }) => stacks.map((stack) => ({ name, ...stack })))
const files = templates.map(({ file }) => file)
const types = new Map(
  templates.flatMap(({ template }) =>
    resourcesOf(template).map(([id, { Type }]): [string, string] => [id, Type]),
  ),
)
// Each is started once, for all templates, and looks at them while the tests go on.
const lint = execute(join(root, '.venv/bin/cfn-lint'), ['--regions', 'us-east-1', '--', ...files])
const guard = guardFindings(files, (id) => types.get(id) ?? id)

describe('the teams', () => {
  it('are all synthesised, and cdk-nag finds nothing that is not explained', () => {
    expect(names).toEqual(['default', 'existing', 'multi-node', 'p3dn'])
    for (const { controlPlane } of teams) {
      expect(resourcesOf(controlPlane, 'AWS::StepFunctions::StateMachine')).toHaveLength(1)
    }
  })

  it.each(names)('%s has a state machine of valid Amazon States Language', (name) => {
    const { Properties } = onlyResource(templatesOf(name).controlPlane, 'AWS::StepFunctions::StateMachine')
    const parts: readonly unknown[] = Properties.DefinitionString['Fn::Join'][1]
    const arn = 'arn:aws:lambda:us-east-1:123456789012:function:step:1'
    const text = parts.map((part) => (typeof part === 'string' ? part : arn)).join('')
    const { isValid, errorsText } = validate(JSON.parse(text))
    expect(errorsText('\n')).toBe('')
    expect(isValid).toBe(true)
  })

  it('lose nothing that is stored when one becomes another: the same table, bucket and images', () => {
    const kept = teams.map(({ state }) => idsOf(state).filter((id) => !id.startsWith('AWS::KMS')))
    for (const other of kept) expect(other).toEqual(kept[0])
  })
})

/** The largest team file that there may be: eight capacity options, each for jobs of several machines, half of them reserved. */
function largest() {
  const reservation = { id: 'cr-0123456789abcdef0', kind: 'capacity-block', zone: 'us-east-1a' }
  const types = Object.entries<InstanceType>(INSTANCE_TYPES).filter(
    ([, { gpu }]) => gpu?.architecture !== 'volta',
  )
  const capacity = types
    .flatMap(([instanceType]) => [
      { instanceType, maxNodes: 64 },
      { instanceType, maxNodes: 64, purchase: 'reserved', reservation },
    ])
    .slice(0, 8)
  expect(capacity).toHaveLength(8)
  const network = { kind: 'private', zones: ['us-east-1a', 'us-east-1b'] }
  const fairShare = { by: 'recipe' }
  const names = { name: 'largest-team-there-1', network, fairShare }
  return synthesise({ ...teamFiles.get('default'), ...names, capacity }).controlPlane
}

describe('the quotas of AWS’s services', () => {
  it('are used by 70 % at most, by the largest team too', () => {
    const used = [...templates, { name: 'largest', template: largest() }].flatMap(({ name, template }) =>
      QUOTAS.map(({ what, limit, share, measure }) => ({
        team: name,
        what,
        used: measure(template),
        limit,
        ...(share && { share }),
      })),
    )
    const worst = QUOTAS.map(
      ({ what }) => used.filter((one) => one.what === what).sort((a, b) => b.used - a.used)[0],
    )
    const lines = worst.map(
      (one) =>
        one &&
        `${one.what}: ${one.used} of ${one.limit} (${Math.round((100 * one.used) / one.limit)} %), ${one.team}`,
    )
    process.stdout.write(`${lines.join('\n')}\n`)
    expect(used.filter(({ used, limit, share = 0.7 }) => used > share * limit)).toEqual([])
    // Each is measured somewhere: a rule that looks at nothing would always hold.
    expect(worst.filter((one) => !one?.used)).toEqual([])
  })
})

describe('the templates', () => {
  it('pass cfn-lint', { timeout: 300_000 }, async () => {
    const { code, stdout, stderr } = await lint
    expect(stdout + stderr).toBe('')
    expect(code).toBe(0)
  })

  it('pass cfn-guard, but for what guard-baseline.yaml explains, and each line of it is still needed', async () => {
    const baseline: readonly (readonly [string, string, string])[] = parse(
      readFileSync(join(root, 'test/infra/guard-baseline.yaml'), 'utf8'),
    )
    for (const [rule, , reason] of baseline) expect(reason.length, rule).toBeGreaterThan(20)
    const { findings, passed } = await guard
    expect(findings).toEqual(baseline.map(([rule, type]) => `${rule} ${type}`).sort())
    expect(passed).toContain('s3_bucket_level_public_access_prohibited_check')
  })
})
