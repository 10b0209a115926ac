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

/** What cannot be read is absent; the condition of the disk then says so. */
export interface Index {
  /** The values of `keys`, in one trip. */
  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]>
  /** All or nothing; survives the end of the process, and with `flush` a power cut. */
  write(changes: readonly IndexChange[]): Promise<void>
  /** The first `limit` entries within `bounds`, in order. Holds no snapshot afterwards. */
  range(bounds: IndexBounds, limit: number): Promise<IndexEntry[]>
  flush(): Promise<void>
  close(): Promise<void>
}
