/**
 * An index that answers for most absent keys from memory. It learns every key that is written; those
 * that are there already whoever passes over the index tells it. Until then it asks the disk for everything.
 * @module
 */
import { KeyFilter } from './key-filter.ts'
import type { Index, IndexBounds, IndexChange, IndexEntry, IndexValue } from './sorted-index.ts'

export class FilteredIndex implements Index {
  readonly #inner: Index
  #filter: KeyFilter
  #isTrusted = false
  /** Counts how often the filter was cleared: a write that was under way then has to be learned again. */
  #clearings = 0

  constructor(inner: Index, slots: number) {
    this.#inner = inner
    this.#filter = new KeyFilter(slots)
  }

  /** Whether the filter's "no" counts. */
  get isTrusted(): boolean {
    return this.#isTrusted
  }

  /** It says "maybe" too often by now: a pass over the index makes it anew. */
  get isFull(): boolean {
    return this.#filter.isFull
  }

  get filter(): KeyFilter {
    return this.#filter
  }

  /** Before a pass over the whole index: forgets all keys, and asks the disk from now on. */
  clear(): void {
    this.#isTrusted = false
    this.#clearings++
    this.#filter.clear()
  }

  /** After such a pass, in which every key that is to be found was learned: the filter's "no" counts. */
  trust(): void {
    this.#isTrusted = true
  }

  /** A key met in a pass. */
  learn(key: Uint8Array): void {
    this.#filter.add(key)
  }

  /** A filter for another number of slots; a pass over the index has to follow. */
  resize(slots: number): void {
    this.#isTrusted = false
    this.#clearings++
    this.#filter = new KeyFilter(slots)
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly IndexValue[]> {
    if (!this.#isTrusted) return this.#inner.getMany(keys)
    const likely = keys.filter((key) => this.#filter.mayHave(key))
    if (likely.length === 0) return keys.map(() => undefined)
    const values = await this.#inner.getMany(likely)
    if (likely.length === keys.length) return values
    return keys.map((key) => values[likely.indexOf(key)])
  }

  async write(changes: readonly IndexChange[]): Promise<void> {
    const clearings = this.#clearings
    this.#learnAll(changes)
    await this.#inner.write(changes)
    // a pass that began meanwhile may have been here before the keys were
    if (this.#clearings !== clearings) this.#learnAll(changes)
  }

  range(bounds: IndexBounds, limit: number): Promise<IndexEntry[]> {
    return this.#inner.range(bounds, limit)
  }

  flush(): Promise<void> {
    return this.#inner.flush()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  #learnAll(changes: readonly IndexChange[]): void {
    for (const { key, value } of changes) if (value !== undefined) this.#filter.add(key)
  }
}
