import { Aspects, Tags } from 'aws-cdk-lib'
import { ManagedPolicy, PermissionsBoundary } from 'aws-cdk-lib/aws-iam'
import type { Construct } from 'constructs'
import { resolveAutomation } from '../core/automation.ts'
import { RoslinError } from '../core/errors.ts'
import { type RecipeFiles, resolveRecipeFolder } from '../core/recipe-folder.ts'
import type { Team } from '../core/team.ts'
import type { FlowHooks } from './constructs/hooks.ts'
import { RolePath } from './role-path.ts'
import { ControlPlaneStack } from './stacks/control-plane-stack.ts'
import { MachineImageStack } from './stacks/machine-image-stack.ts'
import { StateStack } from './stacks/state-stack.ts'

export interface TeamStacksProps {
  readonly team: Team
  readonly codeVersion: string
  /** Needed where the team's schedules, triggers or recipeFolder name recipes. */
  readonly recipeFiles?: RecipeFiles | undefined
  readonly hooks?: FlowHooks | undefined
}

interface TeamStacks {
  readonly state: StateStack
  readonly controlPlane: ControlPlaneStack
  /** Where the team asks for one. */
  readonly machineImage?: MachineImageStack
}

/** A team's stacks: what must never be lost, and what can be made again. */
export function addTeamStacks(
  scope: Construct,
  { team, codeVersion, recipeFiles = NO_FILES, hooks }: TeamStacksProps,
): TeamStacks {
  const env = { region: team.region }
  const name = (stack: string) => `Roslin-${team.name}-${stack}`
  const state = new StateStack(scope, name('State'), {
    env,
    stackName: name('State'),
    description: `Roslin, team ${team.name}: runs, models, data`,
    team,
  })
  const controlPlane = new ControlPlaneStack(scope, name('ControlPlane'), {
    env,
    // By this name the command line finds the team's deployment, wherever in an app it is.
    stackName: name('ControlPlane'),
    description: `Roslin, team ${team.name}: flow, compute, API`,
    team,
    automation: resolveAutomation(team, recipeFiles),
    recipes: resolveRecipeFolder(team, recipeFiles),
    codeVersion,
    state,
    hooks,
  })
  const machineImage =
    team.machineImage &&
    new MachineImageStack(scope, name('MachineImage'), {
      env,
      stackName: name('MachineImage'),
      description: `Roslin, team ${team.name}: machine images for p3`,
      team,
      settings: team.machineImage,
    })
  const { permissionsBoundaryArn, rolePath } = team.identity
  for (const stack of [state, controlPlane, ...(machineImage ? [machineImage] : [])]) {
    if (permissionsBoundaryArn) {
      const boundary = ManagedPolicy.fromManagedPolicyArn(
        stack,
        'PermissionsBoundary',
        permissionsBoundaryArn,
      )
      PermissionsBoundary.of(stack).apply(boundary)
    }
    if (rolePath) Aspects.of(stack).add(new RolePath(rolePath))
    Tags.of(stack).add('roslin:team', team.name)
    for (const [key, value] of Object.entries(team.tags)) Tags.of(stack).add(key, value)
  }
  return { state, controlPlane, ...(machineImage && { machineImage }) }
}

const NO_FILES: RecipeFiles = { read: refuse, list: refuse }

function refuse(path: string): never {
  throw new RoslinError(
    'TEAM_INVALID',
    `The team file names ${path}, and nothing was given to read recipes with.`,
    'Give recipeFiles: what a file holds, and which a folder has.',
  )
}
