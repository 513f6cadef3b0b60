// What `roslin/constructs` exports: docs/larger-flows.md.
export { parseTeam, type Team } from '../core/team.ts'
export type { FlowHook, FlowHooks } from './constructs/hooks.ts'
export { RecipeRun, type RecipeRunProps } from './constructs/recipe-run.ts'
export { RoslinTeam, type RoslinTeamProps } from './roslin-team.ts'
