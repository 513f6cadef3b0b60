import type { Stack } from 'aws-cdk-lib'
import type { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { type IChainable, QueryLanguage, StateGraph } from 'aws-cdk-lib/aws-stepfunctions'
import type { Construct } from 'constructs'
import type { Branch, HookName } from './flow-definition.ts'

/**
 * A team's own states: made in the scope that it is given, the control plane's stack. JSONata, as the flow is. Their input is
 * {runId, execution, planUri}; what they give is not read. An error that they do not catch ends the run.
 */
export type FlowHook = (scope: Construct) => IChainable
export type FlowHooks = Readonly<Partial<Record<HookName, FlowHook>>>

/** The hooks as Amazon States Language, and what the state machine's role must be allowed for them. */
export function renderHooks(
  stack: Stack,
  hooks: FlowHooks,
): {
  readonly branches: Partial<Record<HookName, Branch>>
  readonly policyStatements: readonly PolicyStatement[]
} {
  const graphs = Object.entries(hooks).map(
    ([name, hook]) => [name, new StateGraph(hook(stack).startState, `hook ${name}`)] as const,
  )
  const branches = graphs.map(([name, graph]) => [name, graph.toGraphJson(QueryLanguage.JSONATA)])
  return {
    branches: Object.fromEntries(branches),
    policyStatements: graphs.flatMap(([, { policyStatements }]) => policyStatements),
  }
}
