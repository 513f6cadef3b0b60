import { abandonedBefore, type Firing, type Overlap } from '../firing.ts'
import type { Recipe } from '../recipe.ts'
import type { Occasion } from '../trigger.ts'
import { applied } from './conditional.ts'
import type { RoslinTable } from './table.ts'

/** A firing with what it is to start: only while that is not decided. */
export interface OpenFiring extends Firing {
  readonly recipe?: Recipe
  readonly whenUnchanged?: 'skip' | 'run'
  /** Of a schedule's. */
  readonly overlap?: Overlap
  /** Of a trigger's: the newest of its occasions, as it sorts. */
  readonly subject?: string
}

/** A firing that is being started, as this run: of several callers, one has it. */
export type Starting = OpenFiring & { readonly runId: string }

/** What became of it. */
export type Outcome = Pick<Firing, 'note' | 'code' | 'sameAs' | 'after'> & {
  readonly status: 'started' | 'skipped' | 'refused' | 'missed'
}

/** The firings of a team's schedules and triggers. Every write is conditional: delivered twice, a firing is one. */
export class FiringStore {
  readonly #table: RoslinTable
  readonly #team: string

  constructor(table: RoslinTable, team: string) {
    this.#table = table
    this.#team = team
  }

  /** False where there is one of that key already. */
  async open(firing: OpenFiring): Promise<boolean> {
    return applied(() =>
      this.#table.entities.firing.create({ ...firing, team: this.#team, openTeam: this.#team }).go(),
    )
  }

  async get(origin: string, key: string): Promise<OpenFiring | undefined> {
    const { data } = await this.#table.entities.firing
      .get({ team: this.#team, origin, key })
      .go({ consistent: true })
    return data ? firingOf(data) : undefined
  }

  /** The newest first, as the last write left them. */
  async newest(origin: string, count: number): Promise<readonly OpenFiring[]> {
    const { data } = await this.#table.entities.firing.query
      .byOrigin({ team: this.#team, origin })
      .go({ order: 'desc', count, consistent: true })
    return data.map(firingOf)
  }

  /** Those that wait, and those that were being started. */
  async listOpen(): Promise<readonly OpenFiring[]> {
    const { data } = await this.#table.entities.firing.query
      .open({ openTeam: this.#team })
      .go({ pages: 'all' })
    return data.map(firingOf)
  }

  /** One that waits takes the newer occasion in. False when it waits no more, or has a newer one. */
  async join({ origin, key }: Firing, { subject, startedBy, recipe }: Occasion): Promise<boolean> {
    return applied(() =>
      this.#table.entities.firing
        .patch({ team: this.#team, origin, key })
        .set({ subject, startedBy, recipe })
        .where(
          ({ status, subject: current }, { eq, lt }) =>
            `${eq(status, 'waiting')} AND ${lt(current, subject)}`,
        )
        .go(),
    )
  }

  /**
   * It waits no more and is being started, as this run. One whose caller died is gone on with, as the run that it was.
   * Undefined when another has it, or it is decided.
   */
  async claim(
    { origin, key }: Pick<Firing, 'origin' | 'key'>,
    runId: string,
    now: Date,
  ): Promise<Starting | undefined> {
    const isOurs = await applied(() =>
      this.#table.entities.firing
        .patch({ team: this.#team, origin, key })
        .set({ status: 'starting', at: now.toISOString() })
        .remove(['after', 'note', 'code'])
        .data(({ runId: known }, { ifNotExists }) => ifNotExists(known, runId))
        .where(
          ({ status, at }, { eq, lt }) =>
            `${eq(status, 'waiting')} OR (${eq(status, 'starting')} AND ${lt(at, abandonedBefore(now))})`,
        )
        .go(),
    )
    // Read again: an occasion may have joined it in the last moment.
    const firing = isOurs ? await this.get(origin, key) : undefined
    return firing?.runId === undefined ? undefined : { ...firing, runId: firing.runId }
  }

  /** Puts a firing that was being started back, to wait for the end of a run: that of `after`, or any. */
  async wait(
    { origin, key, runId }: Starting,
    waiting: Pick<Firing, 'after' | 'code'> & { readonly note: string },
  ): Promise<void> {
    await applied(() =>
      this.#table.entities.firing
        .patch({ team: this.#team, origin, key })
        .set({ status: 'waiting', ...waiting })
        .remove(['runId'])
        .where((stored, { eq }) => `${eq(stored.status, 'starting')} AND ${eq(stored.runId, runId)}`)
        .go(),
    )
  }

  /** Decides it. A run that was not started is not named. */
  async decide({ origin, key, runId }: Starting, outcome: Outcome, keepsRun: boolean): Promise<void> {
    await applied(() =>
      this.#table.entities.firing
        .patch({ team: this.#team, origin, key })
        .set(outcome)
        .remove([
          'openTeam',
          'recipe',
          'whenUnchanged',
          'overlap',
          'dueAt',
          ...(keepsRun ? [] : ['runId' as const]),
        ])
        .where((stored, { eq }) => `${eq(stored.status, 'starting')} AND ${eq(stored.runId, runId)}`)
        .go(),
    )
  }
}

function firingOf<T extends { readonly team: string }>({ team: _, ...firing }: T): Omit<T, 'team'> {
  return firing
}

/** As people see it: without what it is to start. */
export function firingView({
  recipe: _,
  whenUnchanged: __,
  overlap: ___,
  subject: ____,
  ...firing
}: OpenFiring): Firing {
  return firing
}
