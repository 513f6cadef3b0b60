import { execFileSync } from 'node:child_process'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { join, resolve, sep } from 'node:path'
import { parse } from 'yaml'
import { RoslinError } from '../core/errors.ts'
import { parseTeam, parseTeamName, type Team } from '../core/team.ts'
import { bundleAhead } from './bundle.ts'

const root = join(import.meta.dirname, '..')
const teamsFolder = join(root, 'teams')

// The CDK's own files take most of a second to compile.
enableCompileCache(join(root, '.roslin/compile-cache'))

try {
  // The functions are bundled while the CDK is loaded: each takes a second or two.
  const [{ App, Validations }, { NagChecks }, { addTeamStacks }] = await Promise.all([
    import('aws-cdk-lib'),
    import('./nag-checks.ts'),
    import('./team-stacks.ts'),
    bundleAhead(),
  ])
  // Of it the CDK makes warnings alone, and it doubles the time; cfn-lint and cfn-guard hold the templates in the tests.
  const app = new App({ builtinCloudFormationValidation: false })
  addTeamStacks(app, {
    team: readTeam(app.node.tryGetContext('team')),
    codeVersion: codeVersion(),
    recipeFiles: { read: readRecipe, list: listRecipes },
  })
  Validations.of(app).addPlugins(new NagChecks(app))
  app.synth()
} catch (error) {
  if (!(error instanceof RoslinError)) throw error
  const issues = error.issues.map(({ path, message }) => `\n  ${path}: ${message}`).join('')
  process.stderr.write(`${error.code}: ${error.message}${issues}\n${error.nextStep}\n`)
  process.exit(1)
}

function readTeam(name: unknown): Team {
  const teams = readdirSync(teamsFolder)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
  const choice = `Give one with -c team=<name>: ${teams.join(', ')}.`
  if (typeof name !== 'string') throw new RoslinError('TEAM_INVALID', 'No team was given.', choice)
  parseTeamName(name)
  if (!teams.includes(name)) throw new RoslinError('TEAM_INVALID', `There is no teams/${name}.yaml.`, choice)
  const team = parseTeam(parse(readFileSync(join(teamsFolder, `${name}.yaml`), 'utf8')))
  if (team.name === name) return team
  throw new RoslinError(
    'TEAM_INVALID',
    `teams/${name}.yaml is of a team named "${team.name}".`,
    'Give the file its team’s name.',
  )
}

/** @throws RoslinError TEAM_INVALID for a path out of the project, or where nothing can be read. */
function readRecipe(path: string): unknown {
  const file = inProject(path)
  try {
    return parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw unreadable(path, (error as Error).message)
  }
}

/** @throws RoslinError TEAM_INVALID for a path out of the project */
function listRecipes(folder: string): readonly string[] {
  return globSync('*.yaml', { cwd: inProject(folder) }).map((file) => join(folder, file))
}

function inProject(path: string): string {
  const file = resolve(root, path)
  if (file.startsWith(`${resolve(root)}${sep}`)) return file
  throw unreadable(path, 'it is not in the project')
}

function unreadable(path: string, why: string): RoslinError {
  return new RoslinError(
    'TEAM_INVALID',
    `The team file names ${path} for recipes: ${why}.`,
    'Give a path from the project’s folder.',
  )
}

/** The package's version and the commit, for each run's lineage. */
function codeVersion(): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  try {
    const commit = execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return `${version}+${commit.trim()}`
  } catch {
    return version
  }
}
