/**
 * Many index entries in one write (spec §11.5): changes wait in memory, where every reader sees
 * them at once, and go to the disk together after the slots they name.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { SealKeys } from '../keys/seal.ts'
import type { Clock } from '../runtime.ts'
import type { DiskCondition } from './disk-condition.ts'
import { findBad, rewriteSlot } from './disk-rewrite.ts'
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
/** So often in a row the slots could not be synced: some of them may be at fault, and not a passing trouble. */
const FAILURES_BEFORE_SEARCH = 2
/** Bad slots found in one search: where there are more, the next one goes on. */
const MAX_BAD_SLOTS = 16
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
  /**
   * Called for a waiting record whose slot the disk does not take: resolves when no record that holds names
   * that slot any more, or with false where its bytes cannot be read.
   */
  onbad: (record: IndexRecord) => Promise<boolean> = () => Promise.resolve(false)
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
  /** How often in a row the slots could not be made to last. */
  #failuresInRow = 0

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
    let hasBlocks = false
    let freed: number[] = []
    try {
      // before they are taken: some may come to name other slots
      if ([...this.#pending.values()].some(namesSlot)) await this.#counting(() => this.#mend())
      this.#take()
      hasBlocks = [...this.#writing.values()].some(isOfBlock)
      freed = table.takeLimbo()
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
    if (changes.some(namesSlot)) await this.#counting(() => this.#sync())
    this.#checkAlive()
    await this.#parts.index.write(changes.flatMap((change) => this.#encode(change)))
  }

  async #sync(): Promise<void> {
    this.#checkAlive()
    await this.#syncSlab()
    if (this.#syncFailures !== this.#mendedFailures) {
      // somebody else's sync was told of it in place of this one
      throw new ShoalError('E_STORE_IO', 'the disk has lost what was written to it')
    }
    this.#failuresInRow = 0
  }

  async #syncSlab(): Promise<void> {
    try {
      await this.#parts.slab.sync()
    } catch (error) {
      this.syncFailed()
      throw error
    }
  }

  async #counting(task: () => Promise<void>): Promise<void> {
    try {
      await task()
    } catch (error) {
      this.#failuresInRow++
      throw error
    }
  }

  /**
   * After a failed sync the system counts as written what is not on the disk, and the next sync succeeds:
   * everything that waits is written to its slot once more, as far as it can still be read there. Where
   * that has failed, too, the slots that the disk does not take are left first.
   */
  async #mend(): Promise<void> {
    if (this.#syncFailures === this.#mendedFailures) return
    if (this.#failuresInRow >= FAILURES_BEFORE_SEARCH) await this.#leaveBadSlots()
    const failures = this.#syncFailures
    for (const { record } of this.changes().values()) {
      this.#checkAlive()
      if (record !== undefined && !(await rewriteSlot(this.#parts, record))) this.onlost(record)
    }
    this.#mendedFailures = failures
  }

  async #leaveBadSlots(): Promise<void> {
    await this.#syncSlab().catch(() => {}) // it may still tell of what was before
    await this.#syncSlab() // a disk that refuses even this has no slot that is at fault
    const bad = await findBad(this.#waitingSlots(), (some) => this.#lasts(some), MAX_BAD_SLOTS)
    for (const record of bad) {
      this.#checkAlive()
      if (await this.onbad(record)) continue
      for (const { record: other } of this.changes().values()) {
        if (other !== undefined && isOfSlot(other, record)) this.onlost(other)
      }
    }
  }

  /** A record for each slot that waits, one that knows its address where there is one. */
  #waitingSlots(): IndexRecord[] {
    const bySlot = new Map<number, IndexRecord>()
    for (const change of this.changes().values()) {
      const { record } = change
      if (record === undefined || !namesSlot(change)) continue
      if (record.area !== 'cache' || !bySlot.has(record.slot)) bySlot.set(record.slot, record)
    }
    return [...bySlot.values()]
  }

  /** Whether the slots of these records can be written again, and synced. */
  async #lasts(records: readonly IndexRecord[]): Promise<boolean> {
    try {
      for (const record of records) {
        this.#checkAlive()
        await rewriteSlot(this.#parts, record)
      }
      await this.#syncSlab()
      return true
    } catch {
      this.#checkAlive()
      return false
    }
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

function isOfSlot(a: IndexRecord, b: IndexRecord): boolean {
  const isOfAny = a.area !== 'insert' && a.area !== 'meta'
  return isOfAny && a.slot === b.slot && a.generation === b.generation
}

function isDeletion({ record }: Change): boolean {
  return record === undefined
}

function isOfBlock(change: Change): change is Change & { readonly record: IndexRecord } {
  return change.record?.area === 'store' || change.record?.area === 'cache'
}
