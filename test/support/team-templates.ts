import { globSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Validations } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { parse } from 'yaml'
import { parseTeam } from '../../core/team.ts'
import { NagChecks } from '../../infra/nag-checks.ts'
import { addTeamStacks } from '../../infra/team-stacks.ts'
import { root } from './checked-in.ts'
import { newApp, recipeFiles } from './stacks.ts'

export interface TeamTemplates {
  readonly name: string
  readonly state: Template
  readonly controlPlane: Template
  /** Those and any other of the team's, with the files that they are in. */
  readonly stacks: readonly { readonly template: Template; readonly file: string }[]
}

const folder = join(root, 'test/fixtures/teams')

/** One of each kind that a platform has: the default one, and those that another network or machine makes different. */
export const teamFiles: ReadonlyMap<string, Readonly<Record<string, unknown>>> = new Map(
  globSync('*.yaml', { cwd: folder })
    .sort()
    .map((file) => [basename(file, '.yaml'), parse(readFileSync(join(folder, file), 'utf8'))]),
)

const made = new Map<string, TeamTemplates>()

/** The team's templates as `cdk synth` makes them, all checks of it included; made once for all tests of a thread. */
export function templatesOf(name: string): TeamTemplates {
  const known = made.get(name)
  if (known) return known
  const team = parseTeam(teamFiles.get(name))
  const app = newApp(mkdtempSync(join(tmpdir(), 'roslin-team-')))
  const { state, controlPlane, machineImage } = addTeamStacks(app, {
    team,
    codeVersion: '0.1.0+test',
    recipeFiles,
  })
  Validations.of(app).addPlugins(new NagChecks(app))
  app.synth()
  const stacks = [state, controlPlane, ...(machineImage ? [machineImage] : [])].map((stack) => ({
    template: Template.fromStack(stack),
    file: join(app.outdir, stack.templateFile),
  }))
  const [ofState, ofControlPlane] = stacks
  if (!ofState || !ofControlPlane) throw new Error(`${name} has no stacks`)
  const templates = { name, state: ofState.template, controlPlane: ofControlPlane.template, stacks }
  made.set(name, templates)
  return templates
}
