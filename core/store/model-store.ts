import type { Model, ModelVersion, ModelVersionList } from '../model-view.ts'
import { applied } from './conditional.ts'
import type { RoslinTable, RunModel } from './table.ts'

export type NewModelVersion = Omit<ModelVersion, 'version' | 'unfinished'> & {
  /** Where training was stopped at its limit. */
  readonly unfinished?: true
}

/** Registered models: numbered versions under a name, one for each folder that a run made. */
export class ModelStore {
  readonly #table: RoslinTable

  constructor(table: RoslinTable) {
    this.#table = table
  }

  /** The version of this folder: the one it already has, else the next number. */
  async register(model: NewModelVersion): Promise<RunModel> {
    const version = await this.#number(model)
    await this.#noteNewest(model, version)
    const { name, uri, unfinished } = model
    return { name, uri, ...(unfinished && { unfinished }), version }
  }

  async #number(model: NewModelVersion): Promise<number> {
    const { name, uri, runId } = model
    for (;;) {
      const { data } = await this.#table.entities.modelVersion.query
        .byName({ name })
        .go({ order: 'desc', pages: 'all' })
      const own = data.find((version) => version.runId === runId && version.uri === uri)
      if (own) return own.version
      const version = (data[0]?.version ?? 0) + 1
      const created = await applied(() =>
        this.#table.entities.modelVersion.create({ ...model, version }).go(),
      )
      // Another run took the number between the query and the write: look again.
      if (created) return version
    }
  }

  /** For the list of models. Done again, or late, it changes nothing. */
  async #noteNewest({ name, runId, createdAt }: NewModelVersion, newestVersion: number): Promise<void> {
    await applied(() =>
      this.#table.entities.model
        .upsert({ name, newestVersion, runId, createdAt })
        .where(
          (model, { lt, notExists }) =>
            `${notExists(model.newestVersion)} OR ${lt(model.newestVersion, newestVersion)}`,
        )
        .go(),
    )
  }

  /** By name: one query. */
  async list(): Promise<readonly Model[]> {
    const { data } = await this.#table.entities.model.query.byName({}).go({ pages: 'all' })
    return data
  }

  async get(name: string, version: number): Promise<ModelVersion | undefined> {
    const { data } = await this.#table.entities.modelVersion.get({ name, version }).go()
    return data ?? undefined
  }

  /** Newest first, those older than `before`. */
  async versions(name: string, limit: number, before: number | null): Promise<ModelVersionPage> {
    const { data } = await this.#table.entities.modelVersion.query
      .byName({ name })
      .lt({ version: before ?? LAST_VERSION })
      .go({ order: 'desc', limit: limit + 1 })
    const versions = data.slice(0, limit)
    return { versions, cursor: data.length > limit ? (versions.at(-1)?.version ?? null) : null }
  }
}

/** The key has room for eight digits. */
const LAST_VERSION = 99_999_999

export interface ModelVersionPage extends Omit<ModelVersionList, 'cursor'> {
  readonly cursor: number | null
}
