/**
 * Many index entries in one write (spec §11.5): changes wait in memory, where every reader sees
 * them at once, and go to the disk together after the slots they name.
 * @module
 */
import { ShoalError } from '../errors.ts'
import type { SealKeys } from '../keys/seal.ts'
import type { Clock } from '../runtime.ts'
import type { DiskCondition } from './disk-condition.ts'
import type { IndexKey } from './keyspace.ts'
import { encodeRecord } from './record.ts'
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
/** Pause after a failed commit, ms: a full disk does not empty itself in between. */
const RETRY_DELAY_MS = 2000

interface Change {
  readonly key: IndexKey
  /** undefined deletes. */
  readonly record: IndexRecord | undefined
}

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

  delete(key: IndexKey): void {
    this.#queue({ key, record: undefined })
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
    if (this.#pending.size === 0) return
    const { table, clock, condition, meter } = this.#parts
    const startedAtMs = clock.now()
    this.#take()
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
    meter.time('commit', clock.now() - startedAtMs)
    this.oncommit()
  }

  async #write(): Promise<void> {
    const { slab, index } = this.#parts
    const changes = [...this.#writing.values()]
    // an index ahead of its slab would name slots with other bytes
    if (changes.some(({ record }) => record !== undefined)) await slab.sync()
    this.#checkAlive()
    await index.write(changes.flatMap((change) => this.#encode(change)))
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

  /** Nothing for an entry whose slot was freed while it waited. */
  #encode({ key, record }: Change): IndexChange[] {
    const { keys, table } = this.#parts
    if (record === undefined) return [{ key: key.bytes, value: undefined }]
    const isBlock = record.area === 'store' || record.area === 'cache'
    if (isBlock && !table.isCurrent(record, 'area')) return []
    return [{ key: key.bytes, value: encodeRecord(keys, key, record) }]
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

function isDeletion({ record }: Change): boolean {
  return record === undefined
}
