/**
 * Scrubbing: reads every slot in use now and then, slowly, and frees those whose bytes are not what was
 * written (spec §11.5). A checksum in the index tells, so that no address is needed.
 * @module
 */
import { crc32 } from 'node:zlib'

import { ShoalError } from '../errors.ts'
import { readRecords } from './disk-core.ts'
import type { DiskCore, FoundEntry, RecordRead } from './disk-core.ts'
import type { ChangeWatch } from './group-commit.ts'
import { PAGE_ENTRIES } from './index-pages.ts'
import { foundKey } from './keyspace.ts'
import { PinAudit } from './pin-audit.ts'
import { addressIn, decodeRecord } from './record.ts'
import type { IndexRecord } from './record.ts'
import type { IndexBounds, IndexEntry } from './sorted-index.ts'
import { toStoreError } from './store-error.ts'
import type { Abortable, CheckResult, Outbox, StoreStats } from './store.ts'

/** Entries of one step in the background, and its pause, ms: 1 MiB/s. */
const STEP_ENTRIES = 32
const STEP_MS = 1000
/** A round begins at most so often, ms: a small store is not read all day long. */
const ROUND_MS = 24 * 3_600_000
/** Slots read at once when somebody waits for it: what the thread pool takes. */
const READS_AT_ONCE = 4
/** So many reads in a row that fail are a disk in trouble, and no reason to give up its slots. */
const MAX_ERRORS = 4

type Verdict = 'whole' | 'freed' | 'skipped'

export class Scrubber {
  readonly #core: DiskCore
  readonly #outbox: Pick<Outbox, 'get'>
  readonly #counters = { checked: 0, freed: 0, rounds: 0 }
  /** What the round in the background still has to pass over: from a random key on, then up to it. */
  #ahead: IndexBounds[] = []
  #roundAtMs = 0
  #errors = 0
  #cancelTimer: (() => void) | undefined
  #stepping: Promise<void> | undefined
  #checking: Promise<unknown> | undefined
  #isStopped = false

  constructor(core: DiskCore, outbox: Pick<Outbox, 'get'>) {
    this.#core = core
    this.#outbox = outbox
  }

  get counters(): StoreStats['scrub'] {
    return { ...this.#counters }
  }

  /** Begins the first round in the background. */
  start(): void {
    this.#roundAtMs = this.#core.clock.now()
    this.#schedule(STEP_MS)
  }

  /** Resolves when nothing is read any more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelTimer?.()
    await Promise.all([this.#stepping, this.#checking?.catch(() => {})])
  }

  /** As `StoreCare.check`; one at a time (E_BUSY). */
  check(
    options?: Abortable & { readonly onprogress?: (checked: number, of: number) => void },
  ): Promise<CheckResult> {
    if (this.#checking !== undefined) {
      return Promise.reject(new ShoalError('E_BUSY', 'the store is being checked already'))
    }
    const checking = this.#check(options ?? {}).finally(() => {
      this.#checking = undefined
    })
    this.#checking = checking
    return checking
  }

  async #check({
    signal,
    onprogress,
  }: Abortable & {
    readonly onprogress?: (checked: number, of: number) => void
  }): Promise<CheckResult> {
    const { rebuilt, table, ledger, group, condition } = this.#core
    await rebuilt
    await group.commit().catch(() => {}) // a disk that cannot be written can be checked
    const result = { checked: 0, freed: 0 }
    const damagesBefore = condition.damages
    const audit = new PinAudit(this.#core)
    const onverdict = (verdict: Verdict): void => {
      signal?.throwIfAborted()
      result.checked++
      if (verdict === 'freed') result.freed++
    }
    try {
      for (let bounds: IndexBounds | undefined = {}; bounds !== undefined;) {
        signal?.throwIfAborted()
        bounds = await this.#page(bounds, PAGE_ENTRIES, onverdict, audit)
        const of = table.entries + ledger.pendingBlocks + result.freed
        onprogress?.(result.checked, Math.max(of, result.checked))
      }
      if (condition.damages === damagesBefore) audit.finish()
    } finally {
      audit.stop()
    }
    this.#counters.rounds++
    return result
  }

  #schedule(delayMs: number): void {
    if (this.#isStopped) return
    this.#cancelTimer = this.#core.clock.after(delayMs, () => {
      this.#stepping = this.#step().then((pauseMs) => {
        this.#schedule(pauseMs)
      })
    })
  }

  /** A few slots. How long to pause then, ms. */
  async #step(): Promise<number> {
    const { clock, isRebuilt } = this.#core
    if (!isRebuilt) return STEP_MS
    const bounds = this.#ahead.shift() ?? this.#newRound()
    try {
      const next = await this.#page(bounds, STEP_ENTRIES, () => {})
      if (next !== undefined) this.#ahead.unshift(next)
    } catch {
      this.#ahead.unshift(bounds) // the disk is in trouble, or this is being stopped
    }
    if (this.#ahead.length > 0) return STEP_MS
    this.#counters.rounds++
    const pauseMs = Math.max(STEP_MS, this.#roundAtMs + ROUND_MS - clock.now())
    this.#roundAtMs = clock.now() + pauseMs
    return pauseMs
  }

  /** Nodes that run for an hour a day come to all of their store too: they begin elsewhere each time. */
  #newRound(): IndexBounds {
    const from = Uint8Array.from({ length: 8 }, () => this.#core.rng.below(256))
    this.#ahead = [{ lte: from }]
    return { gt: from }
  }

  /** Looks at the next `limit` entries; the bounds behind them, undefined at the end of the index. */
  async #page(
    bounds: IndexBounds,
    limit: number,
    onverdict: (verdict: Verdict) => void,
    audit?: PinAudit,
  ): Promise<IndexBounds | undefined> {
    const { group, index, keys } = this.#core
    const watch = group.watch()
    try {
      const page = await index.range(bounds, limit)
      if (audit !== undefined) {
        for (const { key, value } of page) audit.meet(decodeRecord(keys, key, value))
      }
      for (let at = 0; at < page.length; at += READS_AT_ONCE) {
        if (this.#isStopped) throw new ShoalError('E_CLOSED', 'the store is closed')
        const some = page.slice(at, at + READS_AT_ONCE)
        const verdicts = await Promise.all(some.map((entry) => this.#verify(entry, watch)))
        for (const verdict of verdicts) this.#count(verdict, onverdict)
      }
      const last = page.at(-1)
      if (last === undefined || page.length < limit) return undefined
      return bounds.lte === undefined ? { gt: last.key } : { gt: last.key, lte: bounds.lte }
    } finally {
      watch.stop()
    }
  }

  #count(verdict: Verdict, onverdict: (verdict: Verdict) => void): void {
    if (verdict === 'skipped') return
    this.#counters.checked++
    if (verdict === 'freed') this.#counters.freed++
    onverdict(verdict)
  }

  /** What is stale, or changes just now, is not for us. */
  async #verify({ key: bytes, value }: IndexEntry, watch: ChangeWatch): Promise<Verdict> {
    const key = foundKey(bytes)
    const record = watch.has(key.id) ? undefined : decodeRecord(this.#core.keys, bytes, value)
    if (record === undefined || !this.#isCurrent(record)) return 'skipped'
    const isWhole = await this.#isWhole(record)
    if (isWhole !== false) return isWhole === true ? 'whole' : 'skipped'
    const [now] = await readRecords(this.#core, [key])
    const isSame = namesSlot(now, record.slot) && this.#isCurrent(now)
    if (!isSame || watch.has(key.id)) return 'skipped'
    const isWholeNow = await this.#isWhole(now)
    if (isWholeNow !== false) return isWholeNow === true ? 'whole' : 'skipped'
    return this.#free({ key, record: now }, watch)
  }

  #isCurrent(record: IndexRecord): boolean {
    const { table } = this.#core
    if (record.area === 'insert' || record.area === 'meta') return false
    return table.isCurrent(record, record.area === 'outbox' ? 'outbox' : 'area')
  }

  /**
   * Whether the slot has the bytes that were written to it; undefined: it cannot be read now, which says
   * nothing of them. @throws E_STORE_IO on a disk in trouble.
   */
  async #isWhole({ slot, checksum }: IndexRecord): Promise<boolean | undefined> {
    try {
      const isWhole = await this.#core.slab.read(slot, (sealed) => crc32(sealed) === checksum)
      this.#errors = 0
      return isWhole
    } catch (error) {
      if (++this.#errors > MAX_ERRORS) throw toStoreError(error)
      return undefined
    }
  }

  /** In the turn in which it holds that nobody else is at the slot. */
  async #free({ key, record }: FoundEntry, watch: ChangeWatch): Promise<Verdict> {
    const { areas, group, table } = this.#core
    if (record.area === 'outbox') {
      // which drops what does not open; what cannot be read may be read again another time
      await this.#outbox.get(addressIn(record)).catch(() => {})
      return this.#isCurrent(record) ? 'skipped' : 'freed'
    }
    const isAlone = !table.isHeld(record.slot) && !watch.has(key.id)
    if (!isAlone || !this.#isCurrent(record)) return 'skipped'
    areas.leave(record.slot)
    group.delete(key)
    return 'freed'
  }
}

function namesSlot(read: RecordRead, slot: number): read is IndexRecord {
  return read !== undefined && read !== 'unreadable' && read.slot === slot
}
