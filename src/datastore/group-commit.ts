/**
 * Many index entries in one write (spec §11.5): changes wait in memory, where every reader sees
 * them at once, and go to the disk together after the slots they name.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { SealKeys } from '../keys/seal.ts'
import type { Clock } from '../runtime.ts'
import type { DiskCondition } from './disk-condition.ts'
import { rewriteSlot } from './disk-rewrite.ts'
import type { IndexKey } from './keyspace.ts'
import { doneRecord, encodeRecord } from './record.ts'
import type { IndexRecord } from './record.ts'
import type { Index, IndexChange } from './sorted-index.ts'
import type { Slab } from './slab.ts'
import type { SlotTable } from './slot-table.ts'
import type { StoreMeter } from './store-meter.ts'

/** A commit starts at this many entries: 8 MiB of blocks, so that one sync (ms) serves many. */
export const COMMIT_ENTRIES = 256
/** And this long after the first of them, ms: what a killed process may lose of the cache. */
export const COMMIT_DELAY_MS = 100
/** Above this many waiting entries puts wait: one commit under way and two queued. */
export const MAX_PENDING_ENTRIES = 3 * COMMIT_ENTRIES
/** More deletions than this do not wait for a disk that takes none: the sweep finds what they were to delete. */
export const MAX_DELETIONS = 4096
/** Pause after a failed commit, ms: a full disk does not empty itself in between. */
const RETRY_DELAY_MS = 2000

interface Change {
  readonly key: IndexKey
  /** undefined: the entry is absent from now on, ... */
  readonly record: IndexRecord | undefined
  /** ... and is overwritten by one that says so, in place of being deleted. */
  readonly done?: DoneArea
}

/** What waits for something, and is done one day. */
type DoneArea = 'outbox' | 'insert'

/** Which keys were queued since, or were on their way then: what a reader of the disk may have missed. */
export interface ChangeWatch {
  has(id: string): boolean
  stop(): void
}

export interface GroupCommitParts {
  readonly keys: SealKeys
  readonly slab: Slab
  readonly index: Index
  readonly table: SlotTable
  readonly clock: Clock
  readonly condition: DiskCondition
  readonly meter: StoreMeter
}

export class GroupCommit {
  /** Called after each commit that changed the index. */
  oncommit: () => void = () => {}
  /** Called for a waiting record whose slot has lost its bytes by a failed sync. */
  onlost: (record: IndexRecord) => void = () => {}
  readonly #parts: GroupCommitParts
  #pending = new Map<string, Change>()
  #writing = new Map<string, Change>()
  readonly #watches = new Set<Set<string>>()
  /** Of those pending: deletions carry no block, and make no put wait. */
  #deletions = 0
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  #cancelTimer: (() => void) | undefined
  #failed = false
  #isClosed = false
  #isAbandoned = false
  #syncFailures = 0
  /** So many of them have been made good. */
  #mendedFailures = 0

  constructor(parts: GroupCommitParts) {
    this.#parts = parts
  }

  get isFull(): boolean {
    return this.#pending.size - this.#deletions >= MAX_PENDING_ENTRIES
  }

  /** Changes not yet on the disk. */
  get size(): number {
    return this.#pending.size + this.#writing.size
  }

  /** How often a sync of the slab failed: what a write under way then has brought may be lost. */
  get syncFailures(): number {
    return this.#syncFailures
  }

  /** A change not yet on the disk: its record, null for a deletion, undefined: look on the disk. */
  peek(key: IndexKey): IndexRecord | null | undefined {
    const change = this.#pending.get(key.id) ?? this.#writing.get(key.id)
    return change === undefined ? undefined : (change.record ?? null)
  }

  /** Everything not yet on the disk, by key. */
  changes(): Map<string, Change> {
    return new Map([...this.#writing, ...this.#pending])
  }

  put(key: IndexKey, record: IndexRecord): void {
    this.#queue({ key, record })
  }

  /** While very many deletions wait this one is left to the sweep, unless it undoes a change that waits. */
  delete(key: IndexKey): void {
    const isNew = !this.#pending.has(key.id) && !this.#writing.has(key.id)
    if (isNew && this.#deletions >= MAX_DELETIONS) return
    this.#queue({ key, record: undefined })
  }

  /**
   * An entry of an outbox or insert is needed no more. A deletion of its own would show in the index,
   * without any key, whose blocks those were: the sweep deletes it with all others.
   */
  finish(key: IndexKey, area: DoneArea): void {
    this.#parts.table.staleEntries++
    this.#queue({ key, record: undefined, done: area })
  }

  /** Watches the queue until `stop`: what the disk says of a key that `has` knows may be out of date. */
  watch(): ChangeWatch {
    const since = new Set<string>()
    const [pending, writing] = [this.#pending, this.#writing]
    this.#watches.add(since)
    return {
      has: (id) => since.has(id) || pending.has(id) || writing.has(id),
      stop: () => {
        this.#watches.delete(since)
      },
    }
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

  /** Somebody's sync of the slab failed: a later one that succeeds says nothing of what was written before. */
  syncFailed(): void {
    this.#syncFailures++
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

  /** Nothing is written from now on, not even what is queued; every `commit` rejects. */
  abandon(): void {
    this.#isClosed = true
    this.#isAbandoned = true
    this.#cancelTimer?.()
  }

  async #run(): Promise<void> {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#checkAlive()
    const { table, clock, condition, meter } = this.#parts
    if (this.#pending.size === 0) {
      table.free(table.takeLimbo()) // whatever led to them is on the disk
      return
    }
    const startedAtMs = clock.now()
    this.#take()
    const hasBlocks = [...this.#writing.values()].some(isOfBlock)
    const freed = table.takeLimbo()
    try {
      await this.#write()
    } catch (error) {
      this.#putBack()
      table.keepLimbo(freed)
      this.#failed = true
      if (!this.#isAbandoned) condition.failed(error)
      throw error
    }
    this.#failed = false
    this.#writing = new Map()
    table.free(freed)
    condition.succeeded()
    // nothing tells of commits that only the outbox had a need for
    if (hasBlocks) meter.time('commit', clock.now() - startedAtMs)
    this.oncommit()
  }

  async #write(): Promise<void> {
    const changes = [...this.#writing.values()]
    // an index ahead of its slab would name slots with other bytes
    if (changes.some(namesSlot)) await this.#sync()
    this.#checkAlive()
    await this.#parts.index.write(changes.flatMap((change) => this.#encode(change)))
  }

  async #sync(): Promise<void> {
    await this.#mend()
    this.#checkAlive()
    try {
      await this.#parts.slab.sync()
    } catch (error) {
      this.syncFailed()
      throw error
    }
  }

  /**
   * After a failed sync the system counts as written what is not on the disk, and the next sync succeeds:
   * everything that waits is written to its slot once more, as far as it can still be read there.
   */
  async #mend(): Promise<void> {
    const failures = this.#syncFailures
    if (failures === this.#mendedFailures) return
    for (const { record } of this.changes().values()) {
      this.#checkAlive()
      if (record !== undefined && !(await rewriteSlot(this.#parts, record))) this.onlost(record)
    }
    this.#mendedFailures = failures
  }

  #take(): void {
    this.#writing = this.#pending
    this.#pending = new Map()
    this.#deletions = 0
  }

  #putBack(): void {
    this.#pending = this.changes()
    this.#deletions = [...this.#pending.values()].filter(isDeletion).length
    this.#writing = new Map()
    this.#startTimer(RETRY_DELAY_MS)
  }

  /**
   * An entry whose slot was freed while it waited is not written, unless a later one is on its way: then a
   * crash in between must still find this edition. Of a signed block the disk may have an older one under
   * the key, which must not come back.
   */
  #encode(change: Change): IndexChange[] {
    const { keys, table } = this.#parts
    const { key, done } = change
    const record = done === undefined ? change.record : doneRecord(done)
    if (record === undefined) return [{ key: key.bytes, value: undefined }]
    const isFreed = isOfBlock(change) && !table.isCurrent(record, 'area')
    if (!isFreed || this.#pending.has(key.id)) {
      return [{ key: key.bytes, value: encodeRecord(keys, key, record) }]
    }
    return record.sequence === undefined ? [] : [{ key: key.bytes, value: undefined }]
  }

  #queue(change: Change): void {
    const { id } = change.key
    const before = this.#pending.get(id)
    if (before !== undefined && isDeletion(before)) this.#deletions--
    if (isDeletion(change)) this.#deletions++
    this.#pending.set(id, change)
    for (const watch of this.#watches) watch.add(id)
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
    this.commit().catch(() => {}) // the condition was told; the changes stay queued
  }

  #checkAlive(): void {
    if (this.#isAbandoned) throw new ShoalError('E_CLOSED', 'the store is closed')
  }
}

function namesSlot({ record }: Change): boolean {
  return record !== undefined && record.area !== 'insert' && record.area !== 'meta'
}

function isDeletion({ record }: Change): boolean {
  return record === undefined
}

function isOfBlock(change: Change): change is Change & { readonly record: IndexRecord } {
  return change.record?.area === 'store' || change.record?.area === 'cache'
}
