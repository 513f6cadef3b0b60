import { Construct } from 'constructs'
import type { RecipeFiles } from '../core/recipe-folder.ts'
import type { Team } from '../core/team.ts'
import packageJson from '../package.json' with { type: 'json' }
import type { FlowHooks } from './constructs/hooks.ts'
import type { ControlPlaneStack } from './stacks/control-plane-stack.ts'
import type { StateStack } from './stacks/state-stack.ts'
import { addTeamStacks } from './team-stacks.ts'

export interface RoslinTeamProps {
  /** As `parseTeam` gives it. */
  readonly team: Team
  /** For each run's lineage; left out, this package's version. */
  readonly codeVersion?: string
  /** Needed where the team's schedules, triggers or recipeFolder name recipes. */
  readonly recipeFiles?: RecipeFiles
  readonly hooks?: FlowHooks
}

/** A team's two stacks, in an app or a stage of somebody's own. The command line finds them by the team's name. */
export class RoslinTeam extends Construct {
  readonly state: StateStack
  readonly controlPlane: ControlPlaneStack

  constructor(
    scope: Construct,
    id: string,
    { team, codeVersion = packageJson.version, recipeFiles, hooks }: RoslinTeamProps,
  ) {
    super(scope, id)
    const { state, controlPlane } = addTeamStacks(this, { team, codeVersion, recipeFiles, hooks })
    this.state = state
    this.controlPlane = controlPlane
  }
}
