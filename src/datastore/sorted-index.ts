/**
 * The contract of an index: sorted keys to values, of which it knows nothing else.
 * @module
 */

export interface IndexChange {
  readonly key: Uint8Array
  /** undefined deletes. */
  readonly value: Uint8Array | undefined
}

export interface IndexEntry {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export interface IndexBounds {
  readonly gt?: Uint8Array
  readonly gte?: Uint8Array
  readonly lte?: Uint8Array
}

/** What a key has; undefined: nothing; `unreadable`: that cannot be told now, so nothing follows from it. */
export type IndexValue = Uint8Array | 'unreadable' | undefined

/** The condition of the disk says so where something cannot be read. */
export interface Index {
  /** The values of `keys`, in one trip. */
  getMany(keys: readonly Uint8Array[]): Promise<readonly IndexValue[]>
  /** All or nothing; survives the end of the process, and with `flush` a power cut. */
  write(changes: readonly IndexChange[]): Promise<void>
  /**
   * The first `limit` entries within `bounds`, in order, without those that are damaged. Rejects where the
   * disk refuses to read. Holds no snapshot afterwards.
   */
  range(bounds: IndexBounds, limit: number): Promise<IndexEntry[]>
  flush(): Promise<void>
  close(): Promise<void>
}
