/**
 * Many index entries in one write (spec §11.5): changes wait in memory, where every reader sees
 * them at once, and go to the disk together after the slots they name.
 * @module
 */
import type { SealKeys } from '../keys/seal.ts'
import type { Clock, Logger } from '../runtime.ts'
import type { IndexKey } from './keyspace.ts'
import { encodeRecord } from './record.ts'
import type { IndexRecord } from './record.ts'
import type { Index } from './rocks-index.ts'
import type { Slab } from './slab.ts'
import type { SlotTable } from './slot-table.ts'

/** A commit starts at this many entries: 8 MiB of blocks, so that one sync (ms) serves many. */
export const COMMIT_ENTRIES = 256
/** And this long after the first of them, ms: what a killed process may lose of the cache. */
export const COMMIT_DELAY_MS = 100
/** Above this many waiting entries puts wait: one commit under way and two queued. */
export const MAX_PENDING_ENTRIES = 3 * COMMIT_ENTRIES
/** Pause after a failed commit, ms: a full disk does not empty itself in between. */
const RETRY_DELAY_MS = 2000

interface Change {
  readonly key: IndexKey
  /** undefined deletes. */
  readonly record: IndexRecord | undefined
}

export interface GroupCommitParts {
  readonly keys: SealKeys
  readonly slab: Slab
  readonly index: Index
  readonly table: SlotTable
  readonly clock: Clock
  readonly logger: Logger
}

export class GroupCommit {
  readonly #parts: GroupCommitParts
  #pending = new Map<string, Change>()
  #writing = new Map<string, Change>()
  #pendingSlots = new Set<number>()
  #writingSlots = new Set<number>()
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  #cancelTimer: (() => void) | undefined
  #failed = false
  #isClosed = false

  constructor(parts: GroupCommitParts) {
    this.#parts = parts
  }

  get isFull(): boolean {
    return this.#pending.size >= MAX_PENDING_ENTRIES
  }

  get isEmpty(): boolean {
    return this.#pending.size === 0 && this.#writing.size === 0
  }

  /** Slots with an entry that is not yet on the disk, about. */
  get unsettledSlots(): number {
    return this.#pendingSlots.size + this.#writingSlots.size
  }

  /** A change not yet on the disk: its record, null for a deletion, undefined: look on the disk. */
  peek(key: IndexKey): IndexRecord | null | undefined {
    const change = this.#pending.get(key.id) ?? this.#writing.get(key.id)
    return change === undefined ? undefined : (change.record ?? null)
  }

  /** All changes not yet on the disk, newest state of each key. */
  changes(): Map<string, Change> {
    return new Map([...this.#writing, ...this.#pending])
  }

  /** Whether an entry of this slot is not yet on the disk: a seek would not find it. */
  isUnsettled(slot: number): boolean {
    return this.#pendingSlots.has(slot) || this.#writingSlots.has(slot)
  }

  put(key: IndexKey, record: IndexRecord): void {
    this.#pendingSlots.add(record.slot)
    this.#queue({ key, record })
  }

  delete(key: IndexKey): void {
    this.#queue({ key, record: undefined })
  }

  /**
   * Resolves when everything queued before the call is in slab and index. Rejects with the disk's
   * error: the changes then stay queued, and a later commit takes them along.
   */
  commit(): Promise<void> {
    if (this.#next !== undefined) return this.#next
    const before = this.#running ?? Promise.resolve()
    const run = (): Promise<void> => {
      this.#next = undefined
      const running = this.#run().finally(() => {
        if (this.#running === running) this.#running = undefined
      })
      this.#running = running
      return running
    }
    this.#next = before.then(run, run)
    return this.#next
  }

  /** Commits for the last time; no timer is left afterwards. */
  async close(): Promise<void> {
    try {
      await this.commit()
    } finally {
      this.#isClosed = true
      this.#cancelTimer?.()
    }
  }

  async #run(): Promise<void> {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    if (this.#pending.size === 0) return
    const { slab, index, table } = this.#parts
    const writing = this.#take()
    const freed = table.takeLimbo()
    try {
      await slab.sync() // an index ahead of its slab would name slots with other bytes
      await index.write([...writing.values()].map((change) => this.#encode(change)))
    } catch (error) {
      this.#putBack()
      table.keepLimbo(freed)
      this.#warnOnce()
      throw error
    }
    this.#failed = false
    this.#writing = new Map()
    this.#writingSlots = new Set()
    table.free(freed)
  }

  #take(): Map<string, Change> {
    this.#writing = this.#pending
    this.#writingSlots = this.#pendingSlots
    this.#pending = new Map()
    this.#pendingSlots = new Set()
    return this.#writing
  }

  #putBack(): void {
    this.#pending = this.changes()
    for (const slot of this.#writingSlots) this.#pendingSlots.add(slot)
    this.#writing = new Map()
    this.#writingSlots = new Set()
    this.#startTimer(RETRY_DELAY_MS)
  }

  #encode({ key, record }: Change): { key: Uint8Array; value: Uint8Array | undefined } {
    const value = record === undefined ? undefined : encodeRecord(this.#parts.keys, key, record)
    return { key: key.bytes, value }
  }

  #queue(change: Change): void {
    this.#pending.set(change.key.id, change)
    if (this.#failed) return // the retry timer runs
    if (this.#pending.size >= COMMIT_ENTRIES) this.#commitLater()
    else this.#startTimer(COMMIT_DELAY_MS)
  }

  #startTimer(delayMs: number): void {
    if (this.#isClosed) return
    this.#cancelTimer ??= this.#parts.clock.after(delayMs, () => {
      this.#cancelTimer = undefined
      this.#commitLater()
    })
  }

  #commitLater(): void {
    this.commit().catch(() => {}) // warned already; the changes stay queued
  }

  #warnOnce(): void {
    if (!this.#failed) this.#parts.logger.warn('store: the disk refuses writes, trying again')
    this.#failed = true
  }
}
