import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { RoslinError } from '../core/errors.ts'
import { schemaIssues } from '../core/schema-issues.ts'
import { readYaml } from './yaml-file.ts'

/** What may be given in a file, in the environment, or as a flag. */
const settingsSchema = z.strictObject({
  team: z.string().min(1).optional(),
  region: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'is no AWS region, such as us-east-1')
    .optional(),
  profile: z.string().min(1).optional(),
  port: z.coerce.number().int().min(1024).max(65535).optional(),
})
type Values = z.output<typeof settingsSchema>
export type SettingName = keyof Values
/** As given on the command line. */
export type Flags = { readonly [Name in SettingName]?: Values[Name] | undefined }

export type Source = 'flag' | 'environment' | 'project file' | 'user file' | 'default'

export interface Setting<Value> {
  readonly value: Value
  readonly source: Source
  /** The flag, the variable or the file that it stands in; empty for a default. */
  readonly from: string
}
export interface Settings {
  readonly team: Setting<string | undefined>
  readonly region: Setting<string | undefined>
  readonly profile: Setting<string | undefined>
  readonly port: Setting<number>
}

const ENVIRONMENT: Readonly<Record<SettingName, readonly string[]>> = {
  team: ['ROSLIN_TEAM'],
  region: ['AWS_REGION', 'AWS_DEFAULT_REGION'],
  profile: ['AWS_PROFILE'],
  port: ['ROSLIN_PORT'],
}
const DEFAULT_PORT = 4747

interface Layer {
  readonly source: Source
  readonly values: Values
  readonly from: (name: SettingName) => string
}

/** Where a process stands: its variables and its folder. */
export interface Surroundings {
  readonly env: NodeJS.ProcessEnv
  readonly folder: string
}

/**
 * Each setting from the first that has it: flag, environment, project file, user file, default.
 * @throws RoslinError SETTINGS_INVALID
 */
export function resolveSettings(
  flags: Flags = {},
  { env, folder }: Surroundings = { env: process.env, folder: process.cwd() },
): Settings {
  const layers = [
    { source: 'flag', values: namedIn(flags), from: (name) => `--${name}` },
    environmentLayer(env),
    projectLayer(folder),
    fileLayer('user file', join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'roslin/config.yaml')),
  ] satisfies readonly (Layer | undefined)[]
  const resolve = <Name extends SettingName>(name: Name): Setting<Values[Name]> => {
    const layer = layers.find((candidate) => candidate?.values[name] !== undefined)
    return layer
      ? { value: layer.values[name], source: layer.source, from: layer.from(name) }
      : { value: undefined, source: 'default', from: '' }
  }
  const port = resolve('port')
  return {
    team: resolve('team'),
    region: resolve('region'),
    profile: resolve('profile'),
    port: { ...port, value: port.value ?? DEFAULT_PORT },
  }
}

/** A command's options hold more than its settings. */
function namedIn({ team, region, profile, port }: Flags): Values {
  return { team, region, profile, port }
}

function environmentLayer(env: NodeJS.ProcessEnv): Layer {
  const variable = (name: SettingName) => ENVIRONMENT[name].find((candidate) => env[candidate])
  const given = Object.keys(ENVIRONMENT).flatMap((key) => {
    const name = key as SettingName
    const found = variable(name)
    return found ? [[name, env[found]]] : []
  })
  return {
    source: 'environment',
    values: parsed(Object.fromEntries(given), (name) => variable(name) ?? name),
    from: (name) => variable(name) ?? '',
  }
}

/** Of the nearest folder, from this one upwards, that has `.roslin.yaml` or a package.json with a field `roslin`. */
function projectLayer(folder: string): Layer | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const layer =
      fileLayer('project file', join(at, '.roslin.yaml')) ?? packageLayer(join(at, 'package.json'))
    if (layer || at === dirname(at)) return layer
  }
}

function fileLayer(source: Source, file: string): Layer | undefined {
  if (!existsSync(file)) return undefined
  // An empty file is none at all.
  const given = readYaml(file, 'SETTINGS_INVALID') ?? {}
  return { source, values: parsed(given, (name) => `${name} in ${file}`), from: () => file }
}

function packageLayer(file: string): Layer | undefined {
  if (!existsSync(file)) return undefined
  const given = fieldOf(readFileSync(file, 'utf8'))
  if (given === undefined) return undefined
  return { source: 'project file', values: parsed(given, (name) => `${name} in ${file}`), from: () => file }
}

/** A package.json that is broken is npm's to tell of. */
function fieldOf(text: string): unknown {
  try {
    return JSON.parse(text).roslin
  } catch {
    return undefined
  }
}

function parsed(given: unknown, at: (name: SettingName) => string): Values {
  const result = settingsSchema.safeParse(given)
  if (result.success) return result.data
  const issues = schemaIssues(result.error, given).map(({ path, message }) => ({
    path: at(path as SettingName),
    message,
  }))
  throw new RoslinError(
    'SETTINGS_INVALID',
    'A setting cannot be used.',
    `They are ${Object.keys(ENVIRONMENT).join(', ')}; \`npx roslin config\` shows where each comes from.`,
    issues,
  )
}
