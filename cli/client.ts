import type { Resumption } from '../core/api/routes.ts'
import type { DatasetList, DatasetVersion, DatasetVersions } from '../core/dataset-version.ts'
import type { Estimate, EstimateRequest } from '../core/estimate-schema.ts'
import type { SentEvent } from '../core/event.ts'
import type { ModelList, ModelVersion, ModelVersionList } from '../core/model-view.ts'
import type { RecipeDetail, RecipeList, Validation } from '../core/recipe-view.ts'
import type { RunStatus } from '../core/run.ts'
import type { RunStatusChange } from '../core/run-events.ts'
import type { Evaluation, Metrics, Profile } from '../core/run-files.ts'
import type { LogPage } from '../core/run-logs.ts'
import type { RunDetail, RunList } from '../core/run-view.ts'
import type { NewSchedule, ScheduleList, ScheduleView } from '../core/schedule.ts'
import type { TeamView } from '../core/team-view.ts'
import type { DatasetUploadRequest, Upload, UploadRequest } from '../core/upload.ts'
import type { Flags } from './settings.ts'
import { type Query, SignedRequests } from './signed-requests.ts'
import { findTarget, type Target } from './target.ts'

export type { Resumption } from '../core/api/routes.ts'
export type * from '../core/dataset-version.ts'
export { RoslinError } from '../core/errors.ts'
export type { Estimate, EstimateRequest } from '../core/estimate-schema.ts'
export type * from '../core/event.ts'
export type * from '../core/model-view.ts'
export type * from '../core/recipe-view.ts'
export type { Evaluation, Metrics, Profile } from '../core/run-files.ts'
export type * from '../core/run-logs.ts'
export type * from '../core/run-view.ts'
export type { NewSchedule, ScheduleList, ScheduleView } from '../core/schedule.ts'
export type * from '../core/team-view.ts'
export type * from '../core/upload.ts'
export type { Flags, Target }

/** Of a list of runs: those alone that match all that is given. */
export interface RunFilter {
  readonly recipe?: string | undefined
  readonly status?: RunStatus | undefined
  readonly model?: string | undefined
}

/**
 * The HTTP API of a deployment, each request signed with SigV4. Methods are named after the routes of docs/reference/api.md, give what
 * those answer, and throw RoslinError with the API's own code; docs/clients.md has examples.
 */
export class Client {
  /** Where it speaks to. */
  readonly target: Target
  readonly #requests: SignedRequests

  constructor(target: Target) {
    this.target = target
    this.#requests = new SignedRequests(target)
  }

  /**
   * Finds the team's deployment as the command line does: by flags, environment and files (docs/reference/cli.md).
   * @throws RoslinError DEPLOYMENT_NOT_FOUND, SETTINGS_INVALID
   */
  static async connect(flags: Flags = {}): Promise<Client> {
    return new Client(await findTarget(flags))
  }

  health = () => this.#send<{ team: string; version: string }>('GET', '/v1/health')
  createEstimate = (request: EstimateRequest) => this.#send<Estimate>('POST', '/v1/estimates', request)
  createRun = (recipe: unknown) => this.#send<RunDetail>('POST', '/v1/runs', { recipe })
  listRuns = (limit: number, cursor: string | undefined, filter: RunFilter = {}) =>
    this.#send<RunList>('GET', '/v1/runs', undefined, { limit: String(limit), cursor, ...filter })
  getRun = (runId: string) => this.#send<RunDetail>('GET', `/v1/runs/${encodeURIComponent(runId)}`)
  cancelRun = (runId: string, now: boolean) =>
    this.#send<RunDetail>('POST', `/v1/runs/${encodeURIComponent(runId)}/cancel`, { now })
  resumeRun = (runId: string, resumption: Resumption) =>
    this.#send<RunDetail>('POST', `/v1/runs/${encodeURIComponent(runId)}/resume`, resumption)
  getTeam = () => this.#send<TeamView>('GET', '/v1/team')
  getMetrics = (runId: string) => this.#send<Metrics>('GET', `/v1/runs/${encodeURIComponent(runId)}/metrics`)
  getSamples = (runId: string) =>
    this.#send<Evaluation>('GET', `/v1/runs/${encodeURIComponent(runId)}/samples`)
  getLogs = (runId: string, cursor: string | undefined) =>
    this.#send<LogPage>('GET', `/v1/runs/${encodeURIComponent(runId)}/logs`, undefined, { cursor })
  getProfile = (runId: string, node = 0) =>
    this.#send<Profile>('GET', `/v1/runs/${encodeURIComponent(runId)}/profile`, undefined, {
      node: String(node),
    })
  getEvents = (runId: string) =>
    this.#send<{ events: RunStatusChange[] }>('GET', `/v1/runs/${encodeURIComponent(runId)}/events`)
  listRecipes = () => this.#send<RecipeList>('GET', '/v1/recipes')
  getRecipe = (name: string) => this.#send<RecipeDetail>('GET', `/v1/recipes/${encodeURIComponent(name)}`)
  validateRecipe = (recipe: unknown) => this.#send<Validation>('POST', '/v1/recipes/validate', { recipe })
  listModels = () => this.#send<ModelList>('GET', '/v1/models')
  listModelVersions = (name: string, limit: number, cursor: string | undefined) =>
    this.#send<ModelVersionList>('GET', `/v1/models/${encodeURIComponent(name)}`, undefined, {
      limit: String(limit),
      cursor,
    })
  getModelVersion = (name: string, version: number) =>
    this.#send<ModelVersion>('GET', `/v1/models/${encodeURIComponent(name)}/versions/${version}`)
  listSchedules = () => this.#send<ScheduleList>('GET', '/v1/schedules')
  createSchedule = (schedule: NewSchedule) => this.#send<ScheduleView>('POST', '/v1/schedules', schedule)
  getSchedule = (name: string) => this.#send<ScheduleView>('GET', `/v1/schedules/${encodeURIComponent(name)}`)
  pauseSchedule = (name: string) =>
    this.#send<ScheduleView>('POST', `/v1/schedules/${encodeURIComponent(name)}/pause`)
  resumeSchedule = (name: string) =>
    this.#send<ScheduleView>('POST', `/v1/schedules/${encodeURIComponent(name)}/resume`)
  deleteSchedule = (name: string) => this.#send<null>('DELETE', `/v1/schedules/${encodeURIComponent(name)}`)
  listDatasets = () => this.#send<DatasetList>('GET', '/v1/datasets')
  listDatasetVersions = (name: string) =>
    this.#send<DatasetVersions>('GET', `/v1/datasets/${encodeURIComponent(name)}/versions`)
  registerDatasetVersion = (name: string, uri: string) =>
    this.#send<DatasetVersion>('POST', `/v1/datasets/${encodeURIComponent(name)}/versions`, { uri })
  createDatasetUpload = (name: string, upload: DatasetUploadRequest) =>
    this.#send<Upload>('POST', `/v1/datasets/${encodeURIComponent(name)}/uploads`, upload)
  sendEvent = (source: string, detail: Record<string, unknown>) =>
    this.#send<SentEvent>('POST', '/v1/events', { source, detail })
  createUpload = (upload: UploadRequest) => this.#send<Upload>('POST', '/v1/uploads', upload)

  #send<T>(method: string, path: string, body?: unknown, query?: Query): Promise<T> {
    return this.#requests.send<T>(method, path, body, query)
  }
}
