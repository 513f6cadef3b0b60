export interface RecipeRunDefinitionProps {
  /** Without its scheme. */
  readonly apiEndpoint: string
  readonly pollSeconds: number
}

/** Longer than a run's own flow may take (flow-definition.ts). */
const TIMEOUT_SECONDS = 31 * 24 * 3600

/** The API is busy, or was away for a moment. A run that was created by an answer that was lost is not created twice: see Create. */
const API_RETRY = [
  {
    ErrorEquals: ['ApiGateway.429', 'ApiGateway.500', 'ApiGateway.502', 'ApiGateway.503', 'ApiGateway.504'],
    IntervalSeconds: 5,
    MaxAttempts: 6,
    BackoffRate: 2,
    JitterStrategy: 'FULL',
  },
]

/**
 * Creates a run through the team's API and waits for its end. The API it is that stores a run, reserves its budget and starts its
 * execution: the flow's own state machine knows only runs that are stored. Input {"recipe"}, output {"runId", "model"}; a run that
 * does not succeed fails it with the run's code and words.
 */
export function recipeRunDefinition({ apiEndpoint, pollSeconds }: RecipeRunDefinitionProps) {
  const call = (method: string, path: string) => ({
    Type: 'Task',
    Resource: 'arn:aws:states:::apigateway:invoke',
    TimeoutSeconds: 60,
    Retry: API_RETRY,
    Arguments: { ApiEndpoint: apiEndpoint, Method: method, Path: path, AuthType: 'IAM_ROLE' },
  })
  const create = call('POST', '/v1/runs')
  return {
    Comment: 'Runs a recipe to its end: {"recipe"} in, {"runId", "model"} out',
    QueryLanguage: 'JSONata',
    TimeoutSeconds: TIMEOUT_SECONDS,
    StartAt: 'Create',
    States: {
      Create: {
        ...create,
        Arguments: {
          ...create.Arguments,
          Headers: { 'Idempotency-Key': ['{% $states.context.Execution.Name %}'] },
          RequestBody: { recipe: '{% $states.input.recipe %}' },
        },
        Assign: { runId: '{% $states.result.ResponseBody.runId %}' },
        Output: {},
        Next: 'Wait',
      },
      Wait: { Type: 'Wait', Seconds: pollSeconds, Next: 'Look' },
      Look: {
        ...call('GET', "{% '/v1/runs/' & $runId %}"),
        // Only what is needed of a run that may be long.
        Output: {
          status: '{% $states.result.ResponseBody.status %}',
          model:
            '{% $exists($states.result.ResponseBody.model) ? $states.result.ResponseBody.model : null %}',
          code: "{% $exists($states.result.ResponseBody.failure) ? $states.result.ResponseBody.failure.code : 'RUN_ENDED' %}",
          message:
            "{% $exists($states.result.ResponseBody.failure) ? $states.result.ResponseBody.failure.message : 'The run was ended.' %}",
        },
        Next: 'Ended',
      },
      Ended: {
        Type: 'Choice',
        Choices: [
          { Condition: "{% $states.input.status = 'succeeded' %}", Next: 'Succeeded' },
          {
            Condition: "{% $states.input.status in ['failed', 'cancelled', 'budget-stopped'] %}",
            Next: 'Failed',
          },
        ],
        Default: 'Wait',
      },
      Succeeded: {
        Type: 'Succeed',
        Output: { runId: '{% $runId %}', model: '{% $states.input.model %}' },
      },
      Failed: {
        Type: 'Fail',
        Error: '{% $states.input.code %}',
        Cause: "{% 'Run ' & $runId & ' ' & $states.input.status & ': ' & $states.input.message %}",
      },
    },
  }
}
