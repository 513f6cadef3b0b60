import type { MeasuredThroughput } from '../throughput.ts'
import type { RoslinTable } from './table.ts'

/** The runs whose speeds an estimate is made from. */
const NEWEST = 5

/** How fast a team's runs have trained, by the shape of their training. */
export class ThroughputStore {
  readonly #table: RoslinTable

  constructor(table: RoslinTable) {
    this.#table = table
  }

  /** Recorded twice, it is one item: a run has one place under its shape. */
  async record(team: string, shape: string, measured: MeasuredThroughput): Promise<void> {
    await this.#table.entities.throughput.put({ team, shape, ...measured }).go()
  }

  /** Newest first: a run's id sorts by its time. */
  async newest(team: string, shape: string): Promise<MeasuredThroughput[]> {
    const { data } = await this.#table.entities.throughput.query
      .byShape({ team, shape })
      .go({ order: 'desc', count: NEWEST })
    return data.map(({ runId, tokensPerSecond }) => ({ runId, tokensPerSecond }))
  }
}
