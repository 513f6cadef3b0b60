import { Fn, Stack } from 'aws-cdk-lib'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { DefinitionBody, StateMachine, StateMachineType } from 'aws-cdk-lib/aws-stepfunctions'
import { Construct } from 'constructs'
import type { RoslinTeam } from '../roslin-team.ts'
import { recipeRunDefinition } from './recipe-run-definition.ts'

export interface RecipeRunProps {
  readonly team: RoslinTeam
  /** How often the run is looked at. */
  readonly pollSeconds?: number
}

/**
 * A state machine that runs a recipe: {"recipe"} in, {"runId", "model"} out. A larger flow starts it with `startExecution.sync`.
 * To stop it does not end the run: cancel that through the API.
 */
export class RecipeRun extends Construct {
  readonly stateMachine: StateMachine

  constructor(scope: Construct, id: string, { team, pollSeconds = 60 }: RecipeRunProps) {
    super(scope, id)
    const { api } = team.controlPlane
    const definition = recipeRunDefinition({ apiEndpoint: Fn.select(2, Fn.split('/', api.url)), pollSeconds })
    this.stateMachine = new StateMachine(this, 'StateMachine', {
      stateMachineType: StateMachineType.STANDARD,
      definitionBody: DefinitionBody.fromString(Stack.of(this).toJsonString(definition)),
      tracingEnabled: true,
    })
    this.stateMachine.addToRolePolicy(
      new PolicyStatement({
        actions: ['execute-api:Invoke'],
        resources: ['POST/v1/runs', 'GET/v1/runs/*'].map((route) =>
          Stack.of(this).formatArn({ service: 'execute-api', resource: api.id, resourceName: `*/${route}` }),
        ),
      }),
    )
  }
}
