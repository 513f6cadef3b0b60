import { globSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { App, type Stack } from 'aws-cdk-lib'
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions'
import { parse } from 'yaml'
import type { RecipeFiles } from '../../core/recipe-folder.ts'
import { parseTeam } from '../../core/team.ts'
import { addTeamStacks } from '../../infra/team-stacks.ts'
import { root } from './checked-in.ts'
import { minimalRecipe } from './recipes.ts'

export interface Synthesised {
  readonly state: Template
  readonly controlPlane: Template
  readonly machineImage?: Template
  readonly outdir: string
  /** Not rendered as a template: for what synthesis says. */
  readonly stack: Stack
}

export interface Resource {
  readonly Type: string
  // biome-ignore lint/suspicious/noExplicitAny: a template's properties have a shape for each of its types
  readonly Properties: any
  readonly DeletionPolicy?: string
  readonly UpdateReplacePolicy?: string
}

/** Prebuilt, as a team names it. */
export const TRAINER_IMAGE = `registry.example/trainer@sha256:${'a'.repeat(64)}`

/** A team with each kind of capacity: Spot and on demand, GPUs with AWS's machine image and with the team's own, and CPU. */
export const everyCapacity = {
  name: 'speech',
  region: 'us-east-1',
  trainerImage: TRAINER_IMAGE,
  capacity: [
    { instanceType: 'p4d.24xlarge', purchase: 'spot', waitMinutes: 15 },
    { instanceType: 'p4d.24xlarge', waitMinutes: 30 },
    { instanceType: 'p3dn.24xlarge', amiId: 'ami-0123456789abcdef0' },
    { instanceType: 'm7i.2xlarge' },
  ],
  tags: { 'cost-center': 'research' },
}

/** The team's stacks as templates. */
export function synthesise(team: Readonly<Record<string, unknown>> = everyCapacity): Synthesised {
  const outdir = mkdtempSync(join(tmpdir(), 'roslin-synth-'))
  const app = newApp(outdir)
  const { state, controlPlane, machineImage } = addTeamStacks(app, {
    team: parseTeam(team),
    codeVersion: '0.1.0+test',
    recipeFiles,
  })
  return {
    state: Template.fromStack(state),
    controlPlane: Template.fromStack(controlPlane),
    outdir,
    stack: controlPlane,
    ...(machineImage && { machineImage: Template.fromStack(machineImage) }),
  }
}

/** Team demo with the machines and the network of another, for the embedded AWS: the folder for `cdk --app`. */
export function synthesiseDemo(other: Readonly<Record<string, unknown>>): string {
  const { name, trainerImage, recipeFolder, schedules, triggers, encryption } = read('teams/demo.yaml')
  // What is encrypted how is not changed afterwards, and the embedded AWS makes no machine images.
  const { machineImage: _, encryption: __, ...platform } = other
  return forCommandLine({ ...platform, name, trainerImage, recipeFolder, schedules, triggers, encryption })
}

/** Another team, in all else as team demo: the folder for `cdk --app`. */
export function synthesiseBesideDemo(name: string): string {
  return forCommandLine({ ...read('teams/demo.yaml'), name })
}

function forCommandLine(team: Readonly<Record<string, unknown>>): string {
  const outdir = mkdtempSync(join(tmpdir(), 'roslin-demo-'))
  // As the command line makes templates.
  const app = newApp(outdir, { 'aws:cdk:enable-path-metadata': true })
  addTeamStacks(app, {
    team: parseTeam(team),
    codeVersion: '0.1.0+test',
    recipeFiles: { read, list: (folder) => globSync(`${folder}/*.yaml`, { cwd: root }) },
  })
  return app.synth().directory
}

const read = (path: string) => parse(readFileSync(join(root, path), 'utf8'))

/** As infra/app.ts makes it. */
export function newApp(outdir: string, moreContext: Readonly<Record<string, unknown>> = {}): App {
  const { context } = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8'))
  return new App({
    outdir,
    context: { ...context, ...moreContext },
    builtinCloudFormationValidation: false,
  })
}

/** Those that a team file may name: each is named as its file, and a folder has two. */
export const recipeFiles: RecipeFiles = {
  read: (path) => minimalRecipe({ name: basename(path, '.yaml') }),
  list: (folder) => [`${folder}/parrot.yaml`, `${folder}/finch.yaml`],
}

export function resourcesOf(template: Template, type?: string): [id: string, resource: Resource][] {
  const resources: Record<string, Resource> = template.toJSON().Resources
  return Object.entries(resources).filter(([, resource]) => type === undefined || resource.Type === type)
}

export function onlyResource(template: Template, type: string): Resource {
  const [found, ...more] = resourcesOf(template, type)
  if (!found || more.length > 0) throw new Error(`${more.length + (found ? 1 : 0)} resources of type ${type}`)
  return found[1]
}

/** What the control plane's synthesis tells, line by line. */
export function infoOf({ stack }: Synthesised): string {
  return Annotations.fromStack(stack)
    .findInfo('*', Match.anyValue())
    .map(({ entry }) => entry.data)
    .join('\n')
}
