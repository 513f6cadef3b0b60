import { Sha256 } from '@aws-crypto/sha256-js'
import { fromNodeProviderChain } from '@aws-sdk/credential-providers'
import { HttpRequest } from '@smithy/protocol-http'
import { SignatureV4 } from '@smithy/signature-v4'
import type { DatasetList, DatasetVersions } from '../core/dataset-version.ts'
import { RoslinError } from '../core/errors.ts'
import type { Estimate, EstimateRequest } from '../core/estimate-schema.ts'
import type { Evaluation, Metrics } from '../core/run-files.ts'
import type {
  LogPage,
  Resumption,
  RunDetail,
  RunList,
  TeamView,
  Upload,
  UploadRequest,
} from '../core/run-view.ts'
import type { NewSchedule, ScheduleList, ScheduleView } from '../core/schedule.ts'
import type { Target } from './target.ts'

/** The HTTP API of a deployment; each request signed with SigV4. */
export class Client {
  readonly #target: Target
  readonly #signer: SignatureV4

  constructor(target: Target) {
    this.#target = target
    this.#signer = new SignatureV4({
      service: 'execute-api',
      region: target.region,
      credentials: fromNodeProviderChain(),
      sha256: Sha256,
    })
  }

  health = () => this.#send<{ team: string; version: string }>('GET', '/v1/health')
  createEstimate = (request: EstimateRequest) => this.#send<Estimate>('POST', '/v1/estimates', request)
  createRun = (recipe: unknown) => this.#send<RunDetail>('POST', '/v1/runs', { recipe })
  listRuns = (limit: number, cursor: string | undefined) =>
    this.#send<RunList>('GET', '/v1/runs', undefined, { limit: String(limit), ...(cursor && { cursor }) })
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
    this.#send<LogPage>(
      'GET',
      `/v1/runs/${encodeURIComponent(runId)}/logs`,
      undefined,
      cursor ? { cursor } : {},
    )
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
  sendEvent = (source: string, detail: Record<string, unknown>) =>
    this.#send<{ eventId: string; recipes: string[] }>('POST', '/v1/events', { source, detail })
  createUpload = (upload: UploadRequest) => this.#send<Upload>('POST', '/v1/uploads', upload)

  /** @throws RoslinError as the API answered it, or API_UNREACHABLE. */
  async #send<T>(
    method: string,
    path: string,
    body?: unknown,
    query: Record<string, string> = {},
  ): Promise<T> {
    const base = new URL(this.#target.apiUrl)
    const url = new URL(`${base.pathname.replace(/\/$/, '')}${path}`, base)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    const request = new HttpRequest({
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      ...(url.port && { port: Number(url.port) }),
      path: url.pathname,
      query,
      headers: { host: url.host, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const signed = await this.#signer.sign(request)
    const response = await fetch(url, {
      method,
      headers: signed.headers,
      ...(request.body && { body: request.body }),
    }).catch((error: Error) => {
      throw this.#unreachable(error.cause instanceof Error ? error.cause.message : error.message)
    })
    const text = await response.text()
    // Nothing is left to say of what was deleted.
    if (response.ok) return JSON.parse(text || 'null')
    throw (
      RoslinError.parse(text) ?? this.#unreachable(`it answered ${response.status}: ${text.slice(0, 200)}`)
    )
  }

  #unreachable(why: string): RoslinError {
    return new RoslinError(
      'API_UNREACHABLE',
      `The API of team ${this.#target.team} at ${this.#target.apiUrl} could not be used: ${why}.`,
      '`npx roslin doctor` looks for the reason.',
    )
  }
}
