/**
 * An index that answers for most absent keys from memory. It learns every key from what is written and
 * from the pages of the scan at open; until that scan is over it asks the disk for everything.
 * @module
 */
import { KeyFilter } from './key-filter.ts'
import type { Index, IndexBounds, IndexChange, IndexEntry } from './rocks-index.ts'

/** Keys read at once when the filter is made anew. */
const PAGE_ENTRIES = 1024

export class FilteredIndex implements Index {
  readonly #inner: Index
  readonly #slots: number
  #filter: KeyFilter
  #isTrusted = false
  /** The filter that will take the place of a full one; learns whatever is written meanwhile. */
  #next: KeyFilter | undefined
  #renewal: Promise<void> | undefined
  #writes = 0
  #isClosing = false

  constructor(inner: Index, slots: number) {
    this.#inner = inner
    this.#slots = slots
    this.#filter = new KeyFilter(slots)
  }

  /** The whole index has been read through `range`: from now on the filter's "no" counts. */
  trust(): void {
    this.#isTrusted = true
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    if (!this.#isTrusted) return this.#inner.getMany(keys)
    const likely = keys.filter((key) => this.#filter.mayHave(key))
    if (likely.length === 0) return keys.map(() => undefined)
    const values = await this.#inner.getMany(likely)
    if (likely.length === keys.length) return values
    return keys.map((key) => values[likely.indexOf(key)])
  }

  async write(changes: readonly IndexChange[]): Promise<void> {
    for (const { key, value } of changes) if (value !== undefined) this.#learn(key)
    this.#writes++
    try {
      await this.#inner.write(changes)
    } finally {
      this.#writes--
    }
    this.#renewIfFull()
  }

  async range(bounds: IndexBounds, limit: number): Promise<IndexEntry[]> {
    const entries = await this.#inner.range(bounds, limit)
    if (!this.#isTrusted) for (const { key } of entries) this.#learn(key)
    return entries
  }

  flush(): Promise<void> {
    return this.#inner.flush()
  }

  async close(): Promise<void> {
    this.#isClosing = true
    await this.#renewal
    await this.#inner.close()
  }

  #learn(key: Uint8Array): void {
    this.#filter.add(key)
    this.#next?.add(key)
  }

  /** Only between writes: what was being written would be in neither the scan nor the new filter. */
  #renewIfFull(): void {
    const isIdle = this.#writes === 0 && this.#renewal === undefined && !this.#isClosing
    if (!this.#isTrusted || !this.#filter.isFull || !isIdle) return
    this.#next = new KeyFilter(this.#slots)
    this.#renewal = this.#scan(this.#next)
      .then((isWhole) => {
        if (isWhole && this.#next !== undefined) this.#filter = this.#next
      })
      .catch(() => {}) // the old filter is still right, and the next write tries again
      .finally(() => {
        this.#next = undefined
        this.#renewal = undefined
      })
  }

  /** False: the index is closing. */
  async #scan(filter: KeyFilter): Promise<boolean> {
    for (let next: IndexBounds = {}; !this.#isClosing;) {
      const page = await this.#inner.range(next, PAGE_ENTRIES)
      for (const { key } of page) filter.add(key)
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE_ENTRIES) return true
      next = { gt: last.key }
    }
    return false
  }
}
