/**
 * After a crash: one pass over the index, beside reads that are served already, tells memory what is in
 * the slots, and drops what is void (spec §11.5).
 * @module
 */
import { crc32 } from 'node:zlib'

import { ShoalError } from '../errors.ts'
import { homePosition } from '../keys/block.ts'
import type { Address, Home } from '../keys/block.ts'
import { readUint48 } from '../keys/bytes.ts'
import type { DiskCore } from './disk-core.ts'
import { indexPages } from './index-pages.ts'
import { bucketOf, fingerprintOf, foundKey, insertKey } from './keyspace.ts'
import { LossLog } from './loss-log.ts'
import { addressIn, decodeRecord, insertRecord } from './record.ts'
import type { IndexRecord } from './record.ts'
import type { IndexEntry } from './sorted-index.ts'
import { isUnreadableIndex } from './store-error.ts'
import { WaitingEntries } from './waiting-entries.ts'
import type { WaitingEntry } from './waiting-entries.ts'

/** A page keeps the event loop for a few milliseconds: reads are served in between. */
const PAGE_ENTRIES = 512
/**
 * Two generations of a slot so far apart, or farther, do not say which is later: between two sweeps a slot
 * is freed a few times as a rule, but no rule keeps it from being freed often.
 */
const DOUBTFUL = 64
/** After a disk error, ms. */
const RETRY_MS = 2000

type SlotClaim = Pick<IndexRecord, 'slot' | 'generation' | 'checksum'>

interface Found {
  readonly key: Uint8Array
  readonly record: IndexRecord
}

export class Rebuild {
  readonly #core: DiskCore
  readonly #losses: LossLog
  #outbox = new WaitingEntries()
  /** Counts of blocks, and of those lost, by number of insert. */
  readonly #inserts = new Map<number, { blocks: number; lostBlocks: number; isChanged: boolean }>()
  /** Entries of the page that claim a slot which another has, and may be older or newer. */
  #doubtful: Found[] = []
  #void: Uint8Array[] = []
  #lastKey: Uint8Array | undefined
  #isStopped = false
  #endPause: (() => void) | undefined
  #running: Promise<void> | undefined

  /** `core` with an empty table, empty areas, an empty ledger and an index that has learned nothing. */
  constructor(core: DiskCore) {
    this.#core = core
    this.#losses = new LossLog(core)
  }

  /** Resolves when `core.isRebuilt`; rejects with E_CLOSED where `stop` comes first. */
  run(): Promise<void> {
    this.#running ??= this.#run()
    return this.#running
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#endPause?.()
    await this.#running?.catch(() => {})
    this.#losses.tell()
  }

  async #run(): Promise<void> {
    const { condition } = this.#core
    while (!(await this.#tryPass())) {
      if (this.#isStopped) throw new ShoalError('E_CLOSED', 'the store is closed')
      await this.#pause()
    }
    condition.succeeded()
    await this.#finish()
    await this.#dropVoid() // before puts: they might use one of these keys
    if (this.#isStopped) throw new ShoalError('E_CLOSED', 'the store is closed')
    this.#core.rebuiltShare = 1
    this.#core.isRebuilt = true
  }

  /** Goes on where it was. False: stopped, or the disk failed. */
  async #tryPass(): Promise<boolean> {
    const bounds = this.#lastKey === undefined ? {} : { gt: this.#lastKey }
    try {
      for await (const page of indexPages(this.#core.index, bounds, PAGE_ENTRIES)) {
        if (this.#isStopped) return false
        for (const entry of page) this.#take(entry)
        await this.#decide()
        await this.#dropVoid()
        this.#lastKey = page.at(-1)?.key ?? this.#lastKey
        if (this.#lastKey !== undefined) {
          this.#core.rebuiltShare = readUint48(this.#lastKey) / 2 ** 48
        }
      }
      return !this.#isStopped
    } catch (error) {
      const isTold = this.#isStopped || isUnreadableIndex(error)
      if (!isTold) this.#core.condition.failed(error)
      return false
    }
  }

  /** What does not open, and what the outbox has done with, is for the sweep, which deletes all kinds at once. */
  #take({ key, value }: IndexEntry): void {
    const record = decodeRecord(this.#core.keys, key, value)
    const isKept = record !== undefined && this.#isKept({ key, record })
    if (isKept) this.#core.index.learn(key)
    else if (record === undefined) this.#core.table.staleEntries++
    else this.#void.push(key)
  }

  #isKept({ key, record }: Found): boolean {
    const { insertId, ordinal, slot } = record
    if (record.area === 'meta') return true
    if (record.area === 'insert') {
      this.#inserts.set(insertId, { blocks: ordinal, lostBlocks: slot, isChanged: false })
    } else if (record.area === 'outbox') this.#outbox.add(key, record)
    else return this.#claim(key, record)
    return true
  }

  /** False: another block has the slot, or no slot is there. */
  #claim(key: Uint8Array, record: IndexRecord): boolean {
    const { table, slab } = this.#core
    const { slot, generation } = record
    if (slot >= slab.slots) return false
    const ahead = (generation - table.tenure(slot).generation) & 255
    if (table.isInUse(slot) && ahead >= DOUBTFUL && ahead <= 256 - DOUBTFUL) {
      this.#doubtful.push({ key, record })
      return true
    }
    return this.#enter(key, record)
  }

  #enter(key: Uint8Array, record: IndexRecord): boolean {
    const { table, areas } = this.#core
    const { slot } = record
    if (table.claim(record) === 'stale') return false
    const before = table.areaOf(slot)
    if (record.area === 'store') {
      const bucket = bucketOf(homePosition(addressIn(record), record.homes as Home))
      if (before === 'store') areas.addHome(slot, bucket)
      else areas.enter(slot, { area: 'store', bucket, fingerprint: 0, link: 0 })
    } else if (before === undefined) {
      const fingerprint = fingerprintOf(foundKey(key))
      areas.enter(slot, { area: 'cache', bucket: 0, fingerprint, link: 0 })
    }
    table.addEntry(slot)
    return true
  }

  async #decide(): Promise<void> {
    const doubtful = this.#doubtful
    this.#doubtful = []
    for (const { key, record } of doubtful) {
      await this.#settle(record)
      if (!this.#enter(key, record)) this.#void.push(key)
    }
  }

  /**
   * Where the slot that `record` names has another generation: its bytes say whose it is. If they are those
   * of `record`, the slot is cleared for it.
   */
  async #settle({ slot, generation, checksum }: SlotClaim): Promise<void> {
    const { table, areas, slab } = this.#core
    if (!table.isInUse(slot) || table.tenure(slot).generation === generation) return
    const isWhole = await slab.read(slot, (sealed) => crc32(sealed) === checksum).catch(() => false) // then the later generation counts
    if (!isWhole) return
    areas.leave(slot)
    if (table.isPinned(slot)) table.unpin(slot)
  }

  async #finish(): Promise<void> {
    const { areas, condition, index, ledger, table, group, keys } = this.#core
    const waiting = new WaitingEntries()
    const pending = new Set<number>()
    for (const entry of this.#outbox.inOrder()) {
      if (!(await this.#pin(entry))) continue
      waiting.add(entry.key, entry)
      pending.add(entry.insertId)
    }
    this.#losses.tell()
    this.#outbox = new WaitingEntries()
    for (const [insertId, counts] of this.#inserts) {
      const { blocks, lostBlocks, isChanged } = counts
      if (pending.has(insertId)) {
        ledger.restoreInsert(insertId, blocks, lostBlocks)
        const record = insertRecord({ insertId, blocks, lostBlocks })
        if (isChanged) group.put(insertKey(keys, insertId), record)
      } else {
        table.staleEntries++
        if (lostBlocks > 0) ledger.restoreFinished(insertId, blocks, lostBlocks)
      }
    }
    for (const { name, insertId, ordinal, homes } of waiting.inOrder()) {
      ledger.restore(name as Address, { insertId, ordinal, homes })
    }
    areas.restored('from-index')
    if (condition.damages === 0) index.trust() // else a sweep asks again
  }

  /** False: an insert that was not committed, of which nobody was told, or another block has the slot. */
  async #pin(entry: WaitingEntry): Promise<boolean> {
    const { table, slab } = this.#core
    const insert = this.#inserts.get(entry.insertId)
    let isHere = insert !== undefined && entry.slot < slab.slots
    if (isHere) {
      await this.#settle(entry)
      isHere = table.claim(entry) !== 'stale'
    }
    if (isHere) table.pin(entry.slot)
    else {
      table.staleEntries++
      table.outdate(entry) // it stays in the index until the next sweep
    }
    if (insert !== undefined && !isHere) {
      insert.lostBlocks++
      insert.isChanged = true
      this.#losses.add()
    }
    return isHere
  }

  /** What is not deleted now the next sweep finds. */
  async #dropVoid(): Promise<void> {
    const keys = this.#void
    this.#void = []
    if (keys.length === 0) return
    try {
      await this.#core.index.write(keys.map((key) => ({ key, value: undefined })))
    } catch {
      this.#core.table.staleEntries += keys.length
    }
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#core.clock.after(RETRY_MS, resolve)
      this.#endPause = () => {
        cancel()
        resolve()
      }
    })
  }
}
