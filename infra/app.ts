import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import { App, Validations } from 'aws-cdk-lib'
import { parse } from 'yaml'
import { RoslinError } from '../core/errors.ts'
import { parseTeam, parseTeamName, type Team } from '../core/team.ts'
import { NagChecks } from './nag-checks.ts'
import { addTeamStacks } from './team-stacks.ts'

const root = join(import.meta.dirname, '..')
const teamsFolder = join(root, 'teams')

try {
  // Of it the CDK makes warnings alone, and it doubles the time; cfn-lint and cfn-guard hold the templates in the tests.
  const app = new App({ builtinCloudFormationValidation: false })
  addTeamStacks(app, {
    team: readTeam(app.node.tryGetContext('team')),
    codeVersion: codeVersion(),
    readRecipe,
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
  const file = resolve(root, path)
  const problem = (why: string) =>
    new RoslinError(
      'TEAM_INVALID',
      `The team file names the recipe ${path}: ${why}.`,
      'Give the path of a recipe from the project’s folder.',
    )
  if (!file.startsWith(`${resolve(root)}${sep}`)) throw problem('it is not in the project')
  try {
    return parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw problem((error as Error).message)
  }
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
