import { applied } from './conditional.ts'
import type { Lineage, RoslinTable, RunModel } from './table.ts'

export interface NewModelVersion {
  readonly name: string
  readonly runId: string
  readonly uri: string
  readonly createdAt: string
  readonly licence: {
    readonly commercialUse: boolean
    readonly shareAlike: boolean
    readonly because: readonly string[]
  }
  readonly lineage: Lineage
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
    const { name, uri, runId, unfinished } = model
    const named = { name, uri, ...(unfinished && { unfinished }) }
    for (;;) {
      const { data } = await this.#table.entities.modelVersion.query
        .byName({ name })
        .go({ order: 'desc', pages: 'all' })
      const own = data.find((version) => version.runId === runId && version.uri === uri)
      if (own) return { ...named, version: own.version }
      const version = (data[0]?.version ?? 0) + 1
      const created = await applied(() =>
        this.#table.entities.modelVersion.create({ ...model, version }).go(),
      )
      // Another run took the number between the query and the write: look again.
      if (created) return { ...named, version }
    }
  }
}
