import type { DatasetRejection, DatasetSummary, DatasetVersion } from '../dataset-version.ts'
import { applied } from './conditional.ts'
import type { RoslinTable } from './table.ts'

/** Rejections that are shown. */
const NEWEST = 20

/** A team's data sets: numbered versions under a name, one for each content. */
export class DatasetStore {
  readonly #table: RoslinTable
  readonly #team: string

  constructor(table: RoslinTable, team: string) {
    this.#table = table
    this.#team = team
  }

  /** The version of this content: the one it already has, else the next number. */
  async register(version: Omit<DatasetVersion, 'version'>): Promise<DatasetVersion> {
    for (;;) {
      const known = await this.versions(version.name)
      const own = known.find(({ sha256 }) => sha256 === version.sha256)
      const next = { ...version, version: (known[0]?.version ?? 0) + 1 }
      const created =
        own !== undefined ||
        (await applied(() => this.#table.entities.datasetVersion.create({ ...next, team: this.#team }).go()))
      // Another file took the number between the query and the write: look again.
      if (!created) continue
      const found = own ?? next
      await this.#touch(found.name, found.createdAt)
      await this.#raise(found.name, found.version)
      return found
    }
  }

  /** Recorded twice, it is one item. */
  async reject(rejection: DatasetRejection): Promise<void> {
    await this.#table.entities.datasetRejection.put({ ...rejection, team: this.#team }).go()
    await this.#touch(rejection.name, rejection.at)
  }

  async list(): Promise<readonly DatasetSummary[]> {
    const { data } = await this.#table.entities.dataset.query
      .byName({ team: this.#team })
      .go({ pages: 'all' })
    return data.map(withoutTeam)
  }

  /** The newest first. */
  async versions(name: string): Promise<readonly DatasetVersion[]> {
    const { data } = await this.#table.entities.datasetVersion.query
      .byVersion({ team: this.#team, name })
      .go({ order: 'desc', pages: 'all', consistent: true })
    return data.map(withoutTeam)
  }

  /** The newest first. */
  async rejections(name: string): Promise<readonly DatasetRejection[]> {
    const { data } = await this.#table.entities.datasetRejection.query
      .byTime({ team: this.#team, name })
      .go({ order: 'desc', count: NEWEST })
    return data.map(withoutTeam)
  }

  /** Something arrived. Files are not looked at in the order in which they came. */
  async #touch(name: string, updatedAt: string): Promise<void> {
    await applied(() =>
      this.#table.entities.dataset
        .upsert({ team: this.#team, name, updatedAt })
        .where(
          ({ updatedAt: current }, { lte, notExists }) =>
            `${notExists(current)} OR ${lte(current, updatedAt)}`,
        )
        .go(),
    )
  }

  /** Of a data set that is there. */
  async #raise(name: string, version: number): Promise<void> {
    await applied(() =>
      this.#table.entities.dataset
        .patch({ team: this.#team, name })
        .set({ version })
        .where(
          ({ version: current }, { lt, notExists }) => `${notExists(current)} OR ${lt(current, version)}`,
        )
        .go(),
    )
  }
}

function withoutTeam<T extends { readonly team: string }>({ team: _, ...item }: T): Omit<T, 'team'> {
  return item
}
