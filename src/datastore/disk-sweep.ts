/**
 * Sweeping the index (spec §11.5): now and then one pass over it deletes what is stale, and makes the
 * filter of its keys anew. It goes page by page beside everything else, and leaves alone what changes.
 * @module
 */
import type { SealKeys } from '../keys/seal.ts'
import type { Clock } from '../runtime.ts'
import type { DiskCondition } from './disk-condition.ts'
import type { DiskTable } from './disk-table.ts'
import type { FilteredIndex } from './filtered-index.ts'
import type { ChangeWatch, GroupCommit } from './group-commit.ts'
import { indexPages } from './index-pages.ts'
import { foundKey } from './keyspace.ts'
import type { OutboxLedger } from './outbox-ledger.ts'
import { PinAudit } from './pin-audit.ts'
import { addressIn, decodeRecord } from './record.ts'
import type { IndexRecord } from './record.ts'
import type { IndexEntry } from './sorted-index.ts'
import { isUnreadableIndex } from './store-error.ts'

/** Index entries a slot from which on a sweep is due, makes no pauses, and puts wait for it. */
const DUE_ENTRIES = 2.5
const PRESSING_ENTRIES = 3
const MOST_ENTRIES = 4
/** Of so few slots it may always be the same one that is evicted (see `sampleSlots`). */
const FEW_SLOTS = 128
/** Then it counts how many entries are stale: of one slot, fewer than half the generations there are. */
const DUE_STALE = 60
const MOST_STALE = 120
/** A page keeps the event loop for about a millisecond. */
const PAGE_ENTRIES = 256
/** Pause after a page, in times of what the page took: a quarter of the time at most is spent here. */
const PAUSE_FACTOR = 3
/** Deletions that may wait for a commit beside the blocks of others. */
const MAX_QUEUED = 2048
/** After a disk error, ms. */
const RETRY_MS = 10_000

export interface SweepParts {
  readonly keys: SealKeys
  readonly table: DiskTable
  readonly index: FilteredIndex
  readonly group: GroupCommit
  readonly ledger: OutboxLedger
  readonly clock: Clock
  readonly condition: DiskCondition
}

export class Sweep {
  readonly #parts: SweepParts
  #running: Promise<void> | undefined
  #endPause: (() => void) | undefined
  #retryAtMs = -Infinity
  #isStopped = false
  /** Nobody is kept waiting by a pause. */
  #isUrgent = false

  constructor(parts: SweepParts) {
    this.#parts = parts
  }

  get isDue(): boolean {
    const { index } = this.#parts
    const isDue = !index.isTrusted || index.isFull || this.#hasNamelessPins
    return isDue || this.#exceeds(DUE_ENTRIES, DUE_STALE)
  }

  /** The index is so full of what is stale that no slot may be taken before `catchUp`. */
  get isBehind(): boolean {
    return !this.#isStopped && this.#exceeds(MOST_ENTRIES, MOST_STALE)
  }

  /** Starts one in the background if it is due. */
  start(): void {
    if (this.#running !== undefined || this.#isStopped || !this.isDue) return
    if (this.#parts.clock.now() < this.#retryAtMs) return
    void this.#begin().catch(() => {}) // the condition was told
  }

  /** Resolves when a sweep is over, which then makes no pauses; rejects with the disk's error. */
  async catchUp(): Promise<void> {
    if (this.#isStopped) return
    this.#isUrgent = true
    this.#endPause?.()
    await (this.#running ?? this.#begin())
  }

  /** Ends a sweep at its next page. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#endPause?.()
    await this.#running?.catch(() => {})
  }

  #begin(): Promise<void> {
    const running = this.#run().finally(() => {
      this.#running = undefined
      this.#isUrgent = false
    })
    this.#running = running
    return running
  }

  async #run(): Promise<void> {
    const { table, index, group, clock, condition } = this.#parts
    const staleBefore = table.staleEntries
    const damagesBefore = condition.damages
    try {
      // what a commit has under way must be there before its page is read, or it is counted as gone
      await group.commit()
      index.clear()
      const audit = new PinAudit(this.#parts)
      const isWhole = await this.#pass(audit).finally(() => {
        audit.stop()
      })
      if (!isWhole || condition.damages > damagesBefore) return
      audit.finish()
    } catch (error) {
      this.#retryAtMs = clock.now() + RETRY_MS
      if (!isUnreadableIndex(error)) condition.failed(error) // which the index has told itself
      throw error
    }
    index.trust()
    table.staleEntries = Math.max(0, table.staleEntries - staleBefore)
  }

  /** False: it was stopped, or the index is not the one any more that it began with. */
  async #pass(audit: PinAudit): Promise<boolean> {
    const { index, group, clock } = this.#parts
    const { filter } = index
    let watch = group.watch()
    try {
      let startedAtMs = clock.now()
      for await (const page of indexPages(index, {}, PAGE_ENTRIES)) {
        if (this.#isStopped || index.filter !== filter) return false
        for (const entry of page) this.#take(entry, watch, audit)
        watch.stop()
        await this.#pause(this.#patience() * (clock.now() - startedAtMs))
        if (group.size > MAX_QUEUED) await group.commit()
        watch = group.watch()
        startedAtMs = clock.now()
      }
    } finally {
      watch.stop()
    }
    return !this.#isStopped && index.filter === filter
  }

  #take({ key: bytes, value }: IndexEntry, watch: ChangeWatch, audit: PinAudit): void {
    const { index, group, keys, ledger, table } = this.#parts
    const key = foundKey(bytes)
    const record = decodeRecord(keys, bytes, value)
    audit.meet(record)
    // who changed it has told the filter, and what the page says of it is out of date
    if (watch.has(key.id)) return
    if (record !== undefined && this.#isAlive(record)) {
      index.learn(bytes)
      return
    }
    group.delete(key)
    const isPinned = record?.area === 'outbox' && table.isCurrent(record, 'outbox')
    // an entry that nobody waits for, since dropping it failed once
    if (isPinned && ledger.holder(addressIn(record)) === undefined) table.unpin(record.slot)
  }

  #isAlive(record: IndexRecord): boolean {
    const { table, ledger } = this.#parts
    if (record.area === 'meta') return true
    if (record.area === 'insert') return ledger.insert(record.insertId) !== undefined
    if (record.area !== 'outbox') return table.isCurrent(record, 'area')
    return ledger.has(record.insertId, addressIn(record)) && table.isCurrent(record, 'outbox')
  }

  /** More slots are pinned than entries wait: some at least nobody names. */
  get #hasNamelessPins(): boolean {
    const { table, ledger } = this.#parts
    return table.used.outbox > ledger.claimedBlocks + table.heldCount
  }

  get #entriesPerSlot(): number {
    const { entries, staleEntries, capacity } = this.#parts.table
    return (entries + staleEntries) / Math.max(1, capacity)
  }

  #exceeds(entriesPerSlot: number, staleEntries: number): boolean {
    const { table } = this.#parts
    if (table.capacity <= FEW_SLOTS) return table.staleEntries > staleEntries
    return this.#entriesPerSlot > entriesPerSlot
  }

  /** Pauses become shorter as the index fills up meanwhile. */
  #patience(): number {
    const left = PRESSING_ENTRIES - this.#entriesPerSlot
    return PAUSE_FACTOR * Math.min(1, Math.max(0, left / (PRESSING_ENTRIES - DUE_ENTRIES)))
  }

  async #pause(pauseMs: number): Promise<void> {
    if (this.#isUrgent || this.#isStopped || pauseMs <= 0) return
    await new Promise<void>((resolve) => {
      const cancel = this.#parts.clock.after(pauseMs, resolve)
      this.#endPause = () => {
        cancel()
        resolve()
      }
    })
    this.#endPause = undefined
  }
}
