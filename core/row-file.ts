/** The values of a data file, and where each stands. */
export interface RowFile {
  readonly values: readonly unknown[]
  /** A line, or in Parquet a row, counted from 1; that of the field at `path`, where the file tells. */
  placeOf(index: number, path?: readonly (string | number)[]): string
}

/** Stands where a value should be, and says why it is none. */
export class NotJson {
  readonly message: string
  constructor(message: string) {
    this.message = message
  }
}
