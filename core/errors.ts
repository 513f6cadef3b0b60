/** Where an error's explanation lives; each code is a heading in that file. */
const TROUBLESHOOTING = 'docs/troubleshooting.md'

/** Every code a person can meet, with the HTTP status the API answers it with. */
export const ERROR_STATUS = {
  RECIPE_INVALID: 400,
  TEAM_INVALID: 400,
  REQUEST_INVALID: 400,
  DATASET_NOT_FOUND: 400,
  DATASET_INVALID: 400,
  MODEL_NOT_FOUND: 400,
  MODEL_UNREADABLE: 400,
  PROMPT_TOO_LONG: 400,
  BENCHMARKS_NOT_FOUND: 400,
  NO_CAPACITY_FITS: 400,
  NO_BASIS: 400,
  CONFIRMATION_NEEDED: 400,
  ESTIMATE_OVER_LIMIT: 400,
  LIMIT_TOO_LOW: 400,
  BUDGET_EXCEEDED: 409,
  IDEMPOTENCY_KEY_REUSED: 409,
  REQUEST_IN_PROGRESS: 409,
  TOO_MANY_RUNS: 429,
  RUN_ENDED: 409,
  RUN_NOT_ENDED: 409,
  RUN_STILL_STOPPING: 409,
  STEP_NOT_REACHED: 409,
  UPLOAD_MISMATCH: 400,
  SCHEDULE_EXISTS: 409,
  SCHEDULE_OF_FILE: 409,
  SCHEDULE_NOT_FOUND: 404,
  DATASET_UNKNOWN: 404,
  SOURCE_UNKNOWN: 404,
  RUN_NOT_FOUND: 404,
  RECIPE_NOT_FOUND: 404,
  MODEL_VERSION_NOT_FOUND: 404,
  ROUTE_NOT_FOUND: 404,
  NOT_READY: 404,
  SCHEMA_TOO_NEW: 503,
  RUN_NOT_STARTED: 503,
  HUB_UNREACHABLE: 503,
  INTERNAL: 500,
  DEPLOYMENT_NOT_FOUND: 400,
  API_UNREACHABLE: 503,
  PRICES_UNAVAILABLE: 503,
  PRICES_INVALID: 400,
  RESOURCE_UNPRICED: 400,
  PREREQUISITE_MISSING: 400,
  PORT_BUSY: 409,
  ALREADY_RUNS: 409,
  CHAOS_INVALID: 400,
  SETTINGS_INVALID: 400,
  DISK_FULL: 507,
  SETUP_FAILED: 500,
} as const

export type ErrorCode = keyof typeof ERROR_STATUS

/** One thing wrong at one place of the input. */
export interface Issue {
  /** The field, as in `training.epochs`, or `line 17`. */
  readonly path: string
  readonly message: string
}

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: ErrorCode
  readonly detail: string
  readonly nextStep: string
  readonly issues: readonly Issue[]
}

/**
 * An error a person can act on: what was wrong and its value (`detail`), what to do next (`nextStep`).
 * The CLI prints it, the API answers with it as problem details (RFC 9457): one body in both places.
 */
export class RoslinError extends Error {
  override readonly name = 'RoslinError'
  readonly code: ErrorCode
  readonly nextStep: string
  readonly issues: readonly Issue[]

  constructor(code: ErrorCode, detail: string, nextStep: string, issues: readonly Issue[] = []) {
    super(detail)
    this.code = code
    this.nextStep = nextStep
    this.issues = issues
  }

  toProblem(): Problem {
    return {
      type: `${TROUBLESHOOTING}#${this.code.toLowerCase()}`,
      title: this.code
        .toLowerCase()
        .replaceAll('_', ' ')
        .replace(/^./, (letter) => letter.toUpperCase()),
      status: ERROR_STATUS[this.code],
      code: this.code,
      detail: this.message,
      nextStep: this.nextStep,
      issues: this.issues,
    }
  }

  /** The one that this error is, or that a library has wrapped in it. */
  static in(error: unknown): RoslinError | undefined {
    if (error instanceof RoslinError) return error
    return error instanceof Error && error.cause instanceof RoslinError ? error.cause : undefined
  }

  /** The error a problem body stands for, or undefined when the text is something else. */
  static parse(text: string): RoslinError | undefined {
    try {
      const body: unknown = JSON.parse(text)
      return isProblem(body) ? new RoslinError(body.code, body.detail, body.nextStep, body.issues) : undefined
    } catch {
      return undefined
    }
  }
}

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && 'code' in body && 'detail' in body && 'nextStep' in body
}
