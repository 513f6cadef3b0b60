import { type App, Tags, Validations } from 'aws-cdk-lib'
import { resolveAutomation } from '../core/automation.ts'
import type { Team } from '../core/team.ts'
import { NagChecks } from './nag-checks.ts'
import { ControlPlaneStack } from './stacks/control-plane-stack.ts'
import { StateStack } from './stacks/state-stack.ts'

export interface TeamStacksProps {
  readonly team: Team
  readonly codeVersion: string
  /** What the YAML file of a schedule's or a trigger's recipe holds. */
  readonly readRecipe: (path: string) => unknown
}

/** A team's two stacks: what must never be lost, and what can be made again. */
export function addTeamStacks(
  app: App,
  { team, codeVersion, readRecipe }: TeamStacksProps,
): { state: StateStack; controlPlane: ControlPlaneStack } {
  const env = { region: team.region }
  const state = new StateStack(app, `Roslin-${team.name}-State`, {
    env,
    description: `Roslin, team ${team.name}: runs, models, data`,
  })
  const controlPlane = new ControlPlaneStack(app, `Roslin-${team.name}-ControlPlane`, {
    env,
    description: `Roslin, team ${team.name}: flow, compute, API`,
    team,
    automation: resolveAutomation(team, readRecipe),
    codeVersion,
    state,
  })
  Tags.of(app).add('roslin:team', team.name)
  for (const [key, value] of Object.entries(team.tags)) Tags.of(app).add(key, value)
  Validations.of(app).addPlugins(new NagChecks(app))
  return { state, controlPlane }
}
